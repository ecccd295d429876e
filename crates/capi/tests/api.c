/* What the library says of good and of bad arguments. `api MODEL UNCALIBRATED FRAME.ppm NOT_A_MODEL` */
#include <nfbmr.h>

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures = 0, checks = 0;

#define CHECK(condition)                                                                 \
  do {                                                                                   \
    checks++;                                                                            \
    if (!(condition)) {                                                                  \
      failures++;                                                                        \
      fprintf(stderr, "%s:%d: %s; last error: %s\n", __FILE__, __LINE__, #condition,     \
              nfbmr_last_error());                                                       \
    }                                                                                    \
  } while (0)

/* The last call failed with this status, and its words have these. */
#define REFUSED(call, expected, words)                  \
  do {                                                  \
    CHECK((call) == (expected));                        \
    CHECK(strstr(nfbmr_last_error(), (words)) != NULL); \
  } while (0)

typedef struct {
  const NfbmrModel *model;
  const NfbmrFrame *frame;
  float score;
  int failed;
} Job;

static void *detect_many(void *argument) {
  Job *job = argument;
  for (int i = 0; i < 5; i++) {
    NfbmrDetection *detection = NULL;
    NfbmrResult result;
    job->failed |= nfbmr_detect(job->model, job->frame, &detection) != NFBMR_STATUS_OK;
    job->failed |= nfbmr_detection_result(detection, &result) != NFBMR_STATUS_OK;
    job->failed |= i > 0 && result.score != job->score;
    job->score = result.score;
    nfbmr_detection_free(detection);
  }
  /* The words of a failure are of the thread that it happened in. */
  job->failed |= strcmp(nfbmr_last_error(), "") != 0;
  return NULL;
}

static void frames(const NfbmrModel *model, NfbmrFrame good) {
  NfbmrDetection *detection = NULL;
  NfbmrFrame frame = good;
  frame.format = 8;
  REFUSED(nfbmr_detect(model, &frame, &detection), NFBMR_STATUS_ARGUMENT, "0 to 7, found 8");
  frame = good;
  frame.pixels = NULL;
  REFUSED(nfbmr_detect(model, &frame, &detection), NFBMR_STATUS_ARGUMENT, "frame.pixels");
  frame = good;
  frame.stride -= 1;
  REFUSED(nfbmr_detect(model, &frame, &detection), NFBMR_STATUS_IMAGE, "stride");
  frame = good;
  frame.width = 0;
  REFUSED(nfbmr_detect(model, &frame, &detection), NFBMR_STATUS_IMAGE, "0 x");
  frame = good;
  frame.stride = (size_t)-1;
  CHECK(nfbmr_detect(model, &frame, &detection) == NFBMR_STATUS_IMAGE);
  REFUSED(nfbmr_detect(NULL, &good, &detection), NFBMR_STATUS_ARGUMENT, "model: expected a pointer, found null");
  REFUSED(nfbmr_detect(model, NULL, &detection), NFBMR_STATUS_ARGUMENT, "frame");
  REFUSED(nfbmr_detect(model, &good, NULL), NFBMR_STATUS_ARGUMENT, "detection");
  CHECK(detection == NULL);

  /* Rows that lie apart, in blue, green and red, are the same image. */
  size_t stride = (size_t)good.width * 3 + 13;
  unsigned char *apart = malloc(stride * good.height);
  memset(apart, 77, stride * good.height);
  for (uint32_t y = 0; y < good.height; y++) {
    for (uint32_t x = 0; x < good.width; x++) {
      const unsigned char *from = good.pixels + y * good.stride + 3 * x;
      unsigned char *to = apart + y * stride + 3 * x;
      to[0] = from[2], to[1] = from[1], to[2] = from[0];
    }
  }
  frame = (NfbmrFrame){apart, good.width, good.height, stride, NFBMR_BGR8};
  NfbmrDetection *one = NULL, *other = NULL;
  CHECK(nfbmr_detect(model, &good, &one) == NFBMR_STATUS_OK);
  CHECK(nfbmr_detect(model, &frame, &other) == NFBMR_STATUS_OK);
  CHECK(strcmp(nfbmr_detection_json(one), nfbmr_detection_json(other)) == 0);
  CHECK(nfbmr_detection_json(one) == nfbmr_detection_json(one));
  nfbmr_detection_free(one);
  nfbmr_detection_free(other);
  free(apart);
}

/* The map, the regions in it and its picture belong together. */
static void outputs(const NfbmrModel *model, NfbmrFrame frame) {
  NfbmrModelInfo info;
  NfbmrDetection *detection = NULL;
  NfbmrResult result;
  const NfbmrRegion *regions = NULL;
  const float *map = NULL;
  size_t count = 99;
  uint32_t width = 0, height = 0;
  CHECK(nfbmr_model_info(model, &info) == NFBMR_STATUS_OK);
  CHECK(strcmp(info.system, "nf-bmr") == 0);
  CHECK(info.is_calibrated && info.threshold > 0 && info.pixel_threshold > 0 && info.false_alarm_rate > 0);
  CHECK(info.training_images > 0 && info.input_size > 0 && info.white_level == 0);
  CHECK(strstr(nfbmr_model_json(model), "\"format_version\"") != NULL);

  CHECK(nfbmr_detect(model, &frame, &detection) == NFBMR_STATUS_OK);
  CHECK(nfbmr_detection_result(detection, &result) == NFBMR_STATUS_OK);
  CHECK(result.is_anomalous == 1 && result.score > result.threshold && result.threshold == info.threshold);
  CHECK(result.p_value > 0 && result.p_value <= 1 && result.not_located == 0 && result.kind == -1);
  CHECK(nfbmr_detection_regions(detection, &regions, &count) == NFBMR_STATUS_OK);
  CHECK(nfbmr_detection_map(detection, &map, &width, &height) == NFBMR_STATUS_OK);
  CHECK(nfbmr_detection_inspected(detection) == NULL);
  CHECK(count > 0 && width == frame.width && height == frame.height);
  for (size_t i = 0; i < count; i++) {
    CHECK(map[(size_t)regions[i].peak_y * width + regions[i].peak_x] == regions[i].peak);
    CHECK(regions[i].peak > info.pixel_threshold);
    CHECK(i == 0 || regions[i].peak <= regions[i - 1].peak);
  }

  size_t stride = (size_t)width * 3 + 5;
  unsigned char *rgb = malloc(stride * height);
  memset(rgb, 171, stride * height);
  CHECK(nfbmr_heatmap(model, &frame, detection, rgb, stride) == NFBMR_STATUS_OK);
  CHECK(memcmp(rgb, frame.pixels, (size_t)width * 3) != 0);
  for (uint32_t y = 0; y < height; y++) CHECK(rgb[y * stride + 3 * (size_t)width] == 171);
  REFUSED(nfbmr_heatmap(model, &frame, detection, rgb, 3 * (size_t)width - 1), NFBMR_STATUS_ARGUMENT, "stride");
  REFUSED(nfbmr_heatmap(model, &frame, detection, NULL, stride), NFBMR_STATUS_ARGUMENT, "rgb");
  NfbmrFrame smaller = frame;
  smaller.height -= 1;
  REFUSED(nfbmr_heatmap(model, &smaller, detection, rgb, stride), NFBMR_STATUS_ARGUMENT, "that of the detection");
  free(rgb);
  nfbmr_detection_free(detection);
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  CHECK(nfbmr_abi_version() == NFBMR_ABI_VERSION);
  CHECK(strchr(nfbmr_version(), '.') != NULL);
  CHECK(strcmp(nfbmr_last_error(), "") == 0);
  REFUSED(nfbmr_set_threads(0), NFBMR_STATUS_ARGUMENT, "threads");
  CHECK(nfbmr_set_threads(2) == NFBMR_STATUS_OK);
  REFUSED(nfbmr_set_threads(2), NFBMR_STATUS_ARGUMENT, "once");

  NfbmrModel *model = NULL, *uncalibrated = NULL;
  REFUSED(nfbmr_load(NULL, NULL, &model), NFBMR_STATUS_ARGUMENT, "path");
  REFUSED(nfbmr_load(argv[1], NULL, NULL), NFBMR_STATUS_ARGUMENT, "model");
  REFUSED(nfbmr_load("\xff", NULL, &model), NFBMR_STATUS_ARGUMENT, "UTF-8");
  REFUSED(nfbmr_load("missing.nfbmr", NULL, &model), NFBMR_STATUS_MODEL, "missing.nfbmr");
  REFUSED(nfbmr_load(argv[4], NULL, &model), NFBMR_STATUS_MODEL, argv[4]);
  REFUSED(nfbmr_load(argv[1], "tpu", &model), NFBMR_STATUS_DEVICE, "tpu");
  REFUSED(nfbmr_load(argv[1], "cuda:0", &model), NFBMR_STATUS_DEVICE, "cuda");
  CHECK(model == NULL);
  CHECK(nfbmr_load(argv[1], "cpu", &model) == NFBMR_STATUS_OK);
  CHECK(nfbmr_load(argv[2], NULL, &uncalibrated) == NFBMR_STATUS_OK);

  NfbmrDetection *detection = NULL;
  REFUSED(nfbmr_detect_file(model, "missing.png", &detection), NFBMR_STATUS_IMAGE, "missing.png");
  REFUSED(nfbmr_detect_file(model, argv[4], &detection), NFBMR_STATUS_IMAGE, argv[4]);
  REFUSED(nfbmr_detect_file(model, NULL, &detection), NFBMR_STATUS_ARGUMENT, "path");

  FILE *file = fopen(argv[3], "rb");
  NfbmrFrame frame = {NULL, 0, 0, 0, NFBMR_RGB8};
  if (!file || fscanf(file, "P6 %u %u 255", &frame.width, &frame.height) != 2) return 2;
  fgetc(file);
  frame.stride = (size_t)frame.width * 3;
  unsigned char *pixels = malloc(frame.stride * frame.height);
  frame.pixels = pixels;
  if (fread(pixels, frame.stride, frame.height, file) != frame.height) return 2;
  fclose(file);
  frames(model, frame);
  outputs(model, frame);

  /* Without a calibration there is a score, and no more. */
  NfbmrResult result;
  NfbmrModelInfo info;
  const NfbmrRegion *regions = (const NfbmrRegion *)&result;
  size_t count = 99;
  CHECK(nfbmr_model_info(uncalibrated, &info) == NFBMR_STATUS_OK);
  CHECK(!info.is_calibrated && isnan(info.threshold) && isnan(info.pixel_threshold) && isnan(info.false_alarm_rate));
  CHECK(nfbmr_detect(uncalibrated, &frame, &detection) == NFBMR_STATUS_OK);
  nfbmr_model_free(uncalibrated); /* A detection outlives its model. */
  CHECK(nfbmr_detection_result(detection, &result) == NFBMR_STATUS_OK);
  CHECK(result.is_anomalous == -1 && isnan(result.p_value) && isnan(result.threshold));
  CHECK(nfbmr_detection_regions(detection, &regions, &count) == NFBMR_STATUS_OK);
  CHECK(regions == NULL && count == 0);
  nfbmr_detection_free(detection);

  pthread_t threads[4];
  Job jobs[4];
  for (int i = 0; i < 4; i++) {
    jobs[i] = (Job){model, &frame, 0, 0};
    pthread_create(&threads[i], NULL, detect_many, &jobs[i]);
  }
  for (int i = 0; i < 4; i++) {
    pthread_join(threads[i], NULL);
    CHECK(!jobs[i].failed && jobs[i].score == jobs[0].score);
  }

  CHECK(nfbmr_model_json(NULL) == NULL && nfbmr_detection_json(NULL) == NULL && nfbmr_detection_inspected(NULL) == NULL);
  REFUSED(nfbmr_model_info(NULL, &info), NFBMR_STATUS_ARGUMENT, "model");
  REFUSED(nfbmr_model_info(model, NULL), NFBMR_STATUS_ARGUMENT, "info");
  REFUSED(nfbmr_detection_result(NULL, &result), NFBMR_STATUS_ARGUMENT, "detection");
  REFUSED(nfbmr_detection_regions(NULL, &regions, &count), NFBMR_STATUS_ARGUMENT, "detection");
  nfbmr_model_free(model);
  nfbmr_model_free(NULL);
  nfbmr_detection_free(NULL);
  free(pixels);
  printf("%d passed, %d failed\n", checks - failures, failures);
  return failures > 0;
}
