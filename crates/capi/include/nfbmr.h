#ifndef NFBMR_H
#define NFBMR_H

/* Written by cbindgen from crates/capi/src. A change there, then `UPDATE_BINDINGS=1 cargo test -p nfbmr-capi`. */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

// The version of this header. A library of another version has other structs or functions: compare it with
// `nfbmr_abi_version()` once, before all else.
#define NFBMR_ABI_VERSION 1

// One byte of grey.
#define NFBMR_MONO8 0

// Grey from 0 to 1023.
#define NFBMR_MONO10 1

// Grey from 0 to 4095.
#define NFBMR_MONO12 2

// Grey from 0 to 16383.
#define NFBMR_MONO14 3

// Grey from 0 to the model's white level.
#define NFBMR_MONO16 4

// Three bytes: red, green, blue.
#define NFBMR_RGB8 5

// Three bytes: blue, green, red.
#define NFBMR_BGR8 6

// Red, green and blue from 0 to the model's white level.
#define NFBMR_RGB16 7

// What a call came to.
typedef enum NfbmrStatus {
  // It went well.
  NFBMR_STATUS_OK = 0,
  // An argument that the function can't take, such as a null pointer.
  NFBMR_STATUS_ARGUMENT = 1,
  // An image that can't be read, or a frame that isn't what it says.
  NFBMR_STATUS_IMAGE = 2,
  // A model file that isn't there, is damaged, or is of another version.
  NFBMR_STATUS_MODEL = 3,
  // A device that isn't there.
  NFBMR_STATUS_DEVICE = 4,
  // Anything else that the detector refuses.
  NFBMR_STATUS_DETECTOR = 5,
  // A bug of nfbmr: please report it.
  NFBMR_STATUS_INTERNAL = 6,
} NfbmrStatus;

// What a model says of one image.
typedef struct NfbmrDetection NfbmrDetection;

// A trained detector.
typedef struct NfbmrModel NfbmrModel;

// What a model says of itself.
typedef struct NfbmrModelInfo {
  // The name of what it learnt, such as "nf-bmr". Lives as long as the model.
  const char *system;
  // Rows and columns that an image is brought to.
  uint32_t input_size;
  // The value of white in 16-bit images; 0 where none is set.
  uint32_t white_level;
  // How many images it was trained on.
  size_t training_images;
  // Whether it has verdicts: without a calibration a detection has a score alone.
  bool is_calibrated;
  // The share of good images that may be called anomalous; NaN for a model that isn't calibrated.
  double false_alarm_rate;
  // The score above which an image is anomalous; NaN for a model without one: not calibrated, or of folds.
  float threshold;
  // The value of an anomaly map above which a pixel belongs to a defect; NaN for a model without one.
  float pixel_threshold;
} NfbmrModelInfo;

// An image in a buffer of the caller, which no call keeps.
typedef struct NfbmrFrame {
  // The first byte of the top row. There are `(height - 1) * stride` bytes and those of the pixels of one more row.
  const uint8_t *pixels;
  // Columns.
  uint32_t width;
  // Rows.
  uint32_t height;
  // Bytes from the start of a row to the start of the next.
  size_t stride;
  // The layout of one pixel, as GenICam names it: `NFBMR_MONO8`, `NFBMR_RGB8` and so on. Values of more than 8 bits
  // lie in two bytes each, the low one first; those of fewer than 16 are in the low bits.
  int32_t format;
} NfbmrFrame;

// The score and the verdict of a detection.
typedef struct NfbmrResult {
  // Higher is more anomalous. Comparable between images of one model only.
  float score;
  // The score above which an image is anomalous; NaN for a model without one.
  float threshold;
  // The share of good images that score at least as high; NaN for a model that isn't calibrated.
  double p_value;
  // 1 for a defect, 0 for a good image, -1 for a model that isn't calibrated. A part that isn't located is 1.
  int32_t is_anomalous;
  // 1 where the model locates parts and didn't find this one, or found it to lie wrong: `nfbmr_detection_json` says
  // why. 0 otherwise.
  int32_t not_located;
  // The likeliest kind of the image, from 0, by a model of several kinds; -1 for a model of one.
  int32_t kind;
} NfbmrResult;

// A defect: a connected part of the anomaly map above the threshold of pixels. Positions are in pixels from the upper
// left corner of the image.
typedef struct NfbmrRegion {
  // Left-most column of the bounding box.
  uint32_t x;
  // Top-most row of the bounding box.
  uint32_t y;
  // Columns of the bounding box.
  uint32_t width;
  // Rows of the bounding box.
  uint32_t height;
  // The number of pixels of the region itself.
  uint64_t area;
  // The highest value of the map in it.
  float peak;
  // The column of that value.
  uint32_t peak_x;
  // The row of that value.
  uint32_t peak_y;
} NfbmrRegion;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The `NFBMR_ABI_VERSION` of the library.
uint32_t nfbmr_abi_version(void);

// The version of nfbmr, such as "0.1.0". Lives for ever.
const char *nfbmr_version(void);

// Sets how many threads share the work, in place of all cores or `RAYON_NUM_THREADS`. Once, before the first model
// is loaded.
enum NfbmrStatus nfbmr_set_threads(size_t threads);

// What the last call of this thread that failed says of it; empty before one did. Lives until the next call of this
// thread that fails.
const char *nfbmr_last_error(void);

// Reads a model file that `nfbmr train` wrote.
//
// `device` is "cpu" or "cuda:0" and so on; null stands for "cpu". The model is to be freed by `nfbmr_model_free`.
//
// The caller promises:
// The texts are null or end with a zero byte; `model` is null or can be written to.
enum NfbmrStatus nfbmr_load(const char *path,
                            const char *device,
                            struct NfbmrModel **model);

// Frees a model; null is left alone.
//
// The caller promises:
// It is null, or of `nfbmr_load` and not freed, and no other thread uses it. Detections of it live on.
void nfbmr_model_free(struct NfbmrModel *model);

// What a model says of itself.
//
// The caller promises:
// The model is null or of `nfbmr_load`; `info` is null or can be written to.
enum NfbmrStatus nfbmr_model_info(const struct NfbmrModel *model, struct NfbmrModelInfo *info);

// All that a model says of itself, as JSON: what `nfbmr inspect --json` writes. Lives as long as the model; null for
// null.
//
// The caller promises:
// The model is null or of `nfbmr_load`.
const char *nfbmr_model_json(const struct NfbmrModel *model);

// Scores a frame of any size. The detection is to be freed by `nfbmr_detection_free`.
//
// The caller promises:
// The model is null or of `nfbmr_load`; the frame is null, or its pixels are as many bytes as it says; `detection` is
// null or can be written to.
enum NfbmrStatus nfbmr_detect(const struct NfbmrModel *model,
                              const struct NfbmrFrame *frame,
                              struct NfbmrDetection **detection);

// Scores an image file: PNG, JPEG, BMP, TIFF, WebP, PGM or PPM, by its content. The detection is to be freed by
// `nfbmr_detection_free`.
//
// The caller promises:
// The model is null or of `nfbmr_load`; the path is null or ends with a zero byte; `detection` is null or can be
// written to.
enum NfbmrStatus nfbmr_detect_file(const struct NfbmrModel *model,
                                   const char *path,
                                   struct NfbmrDetection **detection);

// Frees a detection; null is left alone.
//
// The caller promises:
// It is null, or of this library and not freed, and no other thread uses it.
void nfbmr_detection_free(struct NfbmrDetection *detection);

// The score and the verdict of a detection.
//
// The caller promises:
// The detection is null or of this library; `result` is null or can be written to.
enum NfbmrStatus nfbmr_detection_result(const struct NfbmrDetection *detection,
                                        struct NfbmrResult *result);

// The defects of a detection, the highest peak first. `regions` becomes null and `count` 0 where there are none, and
// for a model that isn't calibrated or has no map. Lives as long as the detection.
//
// The caller promises:
// The detection is null or of this library; `regions` and `count` are null or can be written to.
enum NfbmrStatus nfbmr_detection_regions(const struct NfbmrDetection *detection,
                                         const struct NfbmrRegion **regions,
                                         size_t *count);

// The anomaly map of a detection at the size of its image, row by row: high where the image is unlike the good ones.
// `values` becomes null, `width` and `height` 0 for a system that gives a score alone. Lives as long as the detection.
//
// The caller promises:
// The detection is null or of this library; the places are null or can be written to.
enum NfbmrStatus nfbmr_detection_map(const struct NfbmrDetection *detection,
                                     const float **values,
                                     uint32_t *width,
                                     uint32_t *height);

// Whether each value of the map is of the part of the image that is inspected, row by row; null where all are, and for
// null. Lives as long as the detection.
//
// The caller promises:
// The detection is null or of this library.
const bool *nfbmr_detection_inspected(const struct NfbmrDetection *detection);

// A detection as JSON: what a line of `nfbmr detect` has but for the path, the drift and the heatmap. Lives as long as
// the detection; null for null, and where there is no memory for it.
//
// The caller promises:
// The detection is null or of this library.
const char *nfbmr_detection_json(const struct NfbmrDetection *detection);

// Draws the anomaly map over its frame: nothing at the value that the mildest good image has, full colour as far above
// the threshold of pixels. Three bytes a pixel, red, green and blue, go to `rgb`, rows of them `stride` bytes apart.
//
// The caller promises:
// The handles are null or of this library; the frame is null, or its pixels are as many bytes as it says; `rgb` is
// null, or `(height - 1) * stride + 3 * width` bytes can be written to it.
enum NfbmrStatus nfbmr_heatmap(const struct NfbmrModel *model,
                               const struct NfbmrFrame *frame,
                               const struct NfbmrDetection *detection,
                               uint8_t *rgb,
                               size_t stride);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* NFBMR_H */
