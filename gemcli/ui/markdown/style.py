"""How each thing looks: the sixteen colours of the terminal's own theme, never a background."""

STRONG = "bold"
EMPHASIS = "italic"
STRUCK = "strike"
CODE = "cyan"
LINK = "underline"
ADDRESS = "dim"
HEADINGS = ("bold underline", "bold", "bold", "bold italic", "italic", "italic")
PREFIX = "dim"
RULE = "dim"
THOUGHT = "dim"
TABLE_HEAD = "bold"

# Pygments' token types, the first that a token's type is in
TOKENS = (
    ("Comment.Preproc", "magenta"),
    ("Comment", "bright_black"),
    ("Keyword.Type", "cyan"),
    ("Keyword", "magenta"),
    ("Operator.Word", "magenta"),
    ("Name.Function", "blue"),
    ("Name.Class", "blue"),
    ("Name.Decorator", "yellow"),
    ("Name.Tag", "blue"),
    ("Name.Builtin", "cyan"),
    ("Literal.String", "green"),
    ("Literal.Number", "yellow"),
    ("Generic.Deleted", "red"),
    ("Generic.Inserted", "green"),
    ("Generic.Heading", "bold"),
    ("Generic.Subheading", "cyan"),
)
