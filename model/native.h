/* What every compiled kernel needs: the array library's interface, work on all its threads, room of their own. */

#ifndef GEMCLI_NATIVE_H
#define GEMCLI_NATIVE_H

#include <immintrin.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "xla/ffi/api/c_api.h"

#if !defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__)
#error "the kernels are written for processors with AVX2, FMA and F16C"
#endif

#define INLINE static inline __attribute__((always_inline))

/* Compilers like to compute all products first, more than there are registers, and to add them up later. */
#define KEEP(vector) __asm__("" : "+x"(vector))

/* ---- work on all cores ---- */

typedef struct {
  atomic_long next, finished;
  atomic_int users;
  long items;
  void (*run)(const void *context, long item);
  const void *context;
} Job;

static inline void take_items(Job *job) {
  for (;;) {
    long item = atomic_fetch_add(&job->next, 1);
    if (item >= job->items) return;
    job->run(job->context, item);
    atomic_fetch_add(&job->finished, 1);
  }
}

static inline void leave(Job *job) {
  if (atomic_fetch_sub(&job->users, 1) == 1) free(job);
}

/* A task may come late, when all is done and the caller has gone on: it then only lets go of the job. */
static inline void helper(void *data) {
  take_items(data);
  leave(data);
}

static inline void in_parallel(XLA_FFI_CallFrame *frame, long items, void (*run)(const void *, long),
                        const void *context) {
  int64_t threads = 1;
  XLA_FFI_ThreadPool_NumThreads_Args ask = {XLA_FFI_ThreadPool_NumThreads_Args_STRUCT_SIZE, NULL, frame->ctx,
                                            &threads};
  XLA_FFI_Error *error = items > 1 ? frame->api->XLA_FFI_ThreadPool_NumThreads(&ask) : NULL;
  Job *job = items > 1 && !error && threads > 1 ? malloc(sizeof *job) : NULL;
  if (error) {
    XLA_FFI_Error_Destroy_Args drop = {XLA_FFI_Error_Destroy_Args_STRUCT_SIZE, NULL, error};
    frame->api->XLA_FFI_Error_Destroy(&drop);
  }
  if (!job) {
    for (long item = 0; item < items; item++) run(context, item);
    return;
  }
  long helpers = (threads < items ? threads : items) - 1;
  atomic_init(&job->next, 0);
  atomic_init(&job->finished, 0);
  atomic_init(&job->users, (int)helpers + 1);
  job->items = items;
  job->run = run;
  job->context = context;
  for (long i = 0; i < helpers; i++) {
    XLA_FFI_ThreadPool_Schedule_Args schedule = {XLA_FFI_ThreadPool_Schedule_Args_STRUCT_SIZE, NULL, frame->ctx,
                                                 helper, job};
    XLA_FFI_Error *refused = frame->api->XLA_FFI_ThreadPool_Schedule(&schedule);
    if (refused) {
      XLA_FFI_Error_Destroy_Args drop = {XLA_FFI_Error_Destroy_Args_STRUCT_SIZE, NULL, refused};
      frame->api->XLA_FFI_Error_Destroy(&drop);
      leave(job);
    }
  }
  take_items(job);
  for (long waited = 0; atomic_load(&job->finished) < items; waited++)
    if (waited < 1000) _mm_pause();
    else sched_yield(); /* the other thread may want this very core */
  leave(job);
}

/* A thread's own room; it lives as long as the thread. */
static inline uint8_t *room(size_t bytes) {
  static _Thread_local uint8_t *held;
  static _Thread_local size_t size;
  if (size < bytes) {
    free(held);
    held = aligned_alloc(64, (bytes + 63) / 64 * 64);
    size = held ? bytes : 0;
  }
  return held;
}

/* ---- the array library's calls ---- */

static inline XLA_FFI_Error *problem(XLA_FFI_CallFrame *frame, const char *message) {
  XLA_FFI_Error_Create_Args args = {XLA_FFI_Error_Create_Args_STRUCT_SIZE, NULL, message,
                                    XLA_FFI_Error_Code_INVALID_ARGUMENT};
  return frame->api->XLA_FFI_Error_Create(&args);
}

static inline int described(XLA_FFI_CallFrame *frame) {
  XLA_FFI_Extension_Base *extension = frame->extension_start;
  if (!extension || extension->type != XLA_FFI_Extension_Metadata) return 0;
  XLA_FFI_Metadata *metadata = ((XLA_FFI_Metadata_Extension *)extension)->metadata;
  metadata->api_version.major_version = XLA_FFI_API_MAJOR;
  metadata->api_version.minor_version = XLA_FFI_API_MINOR;
  metadata->traits = 0;
  return 1;
}

static inline const XLA_FFI_Buffer *argument(XLA_FFI_CallFrame *frame, int i) { return frame->args.args[i]; }

static inline XLA_FFI_Buffer *result(XLA_FFI_CallFrame *frame, int i) { return frame->rets.rets[i]; }

#endif
