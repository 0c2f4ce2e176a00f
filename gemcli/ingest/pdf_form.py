"""What people filled into a PDF: form fields and notes, which are no part of a page's own text.

Source: PDFium's public/fpdf_formfill.h and fpdf_annot.h.  The caller holds the lock.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from gemcli.ingest.pdf_page import clean

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage


def prepare_form(document: PdfDocument) -> None:
    """Make a form's fields readable; to be called before the first page is loaded."""
    import pypdfium2.raw as pdfium

    if document.get_formtype() == pdfium.FORMTYPE_ACRO_FORM:
        document.init_forms()


def has_xfa(document: PdfDocument) -> bool:
    """Whether the form is of the XFA kind, whose fields PDFium does not know."""
    import pypdfium2.raw as pdfium

    return document.get_formtype() in (pdfium.FORMTYPE_XFA_FULL, pdfium.FORMTYPE_XFA_FOREGROUND)


def filled_in(document: PdfDocument, page: PdfPage) -> str:
    """Fields as ``name: value`` and notes as ``note: text``, one a line; "" when there are none."""
    return "\n".join(_lines(document, page))


def _lines(document: PdfDocument, page: PdfPage) -> Iterator[str]:
    import pypdfium2.raw as pdfium

    form = document.formenv
    for index in range(pdfium.FPDFPage_GetAnnotCount(page)):
        annotation = pdfium.FPDFPage_GetAnnot(page, index)
        if not annotation:
            continue
        try:
            kind = pdfium.FPDFAnnot_GetSubtype(annotation)
            if kind == pdfium.FPDF_ANNOT_WIDGET and form is not None:
                yield from _field(form, annotation)
            elif kind in (pdfium.FPDF_ANNOT_FREETEXT, pdfium.FPDF_ANNOT_TEXT):
                text = _string(pdfium.FPDFAnnot_GetStringValue, annotation, b"Contents")
                if text:
                    yield f"note: {text}"
        finally:
            pdfium.FPDFPage_CloseAnnot(annotation)


def _field(form: Any, annotation: Any) -> Iterator[str]:
    import pypdfium2.raw as pdfium

    kind = pdfium.FPDFAnnot_GetFormFieldType(form, annotation)
    if kind in (pdfium.FPDF_FORMFIELD_PUSHBUTTON, pdfium.FPDF_FORMFIELD_SIGNATURE):
        return
    name = _string(pdfium.FPDFAnnot_GetFormFieldAlternateName, form, annotation)
    name = name or _string(pdfium.FPDFAnnot_GetFormFieldName, form, annotation)
    if kind in (pdfium.FPDF_FORMFIELD_CHECKBOX, pdfium.FPDF_FORMFIELD_RADIOBUTTON):
        if pdfium.FPDFAnnot_IsChecked(form, annotation):
            choice = _string(pdfium.FPDFAnnot_GetFormFieldExportValue, form, annotation)
            yield f"{name}: {choice if choice not in ('', 'Yes', 'On') else 'yes'}"
        return
    value = _string(pdfium.FPDFAnnot_GetFormFieldValue, form, annotation)
    if value:
        yield f"{name}: {value}"


def _string(get: Callable[..., int], *arguments: Any) -> str:
    """A string from one of PDFium's functions that fill a UTF-16 buffer and return its bytes."""
    import pypdfium2.raw as pdfium

    size = get(*arguments, None, 0)
    if size <= 2:
        return ""
    buffer = ctypes.create_string_buffer(size)
    get(*arguments, ctypes.cast(buffer, ctypes.POINTER(pdfium.FPDF_WCHAR)), size)
    return " ".join(clean(buffer.raw[: size - 2].decode("utf-16-le", "replace")).split())
