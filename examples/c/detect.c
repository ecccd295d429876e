/* Scores frames as a camera delivers them: bytes in, a verdict and the places of defects out. A camera has the bytes in
 * a buffer; here they come from PPM files.
 *
 *   cc detect.c $(pkg-config --cflags --libs nfbmr) -o detect
 *   ./detect part.nfbmr new-parts/000.ppm
 */
#include <nfbmr.h>
#include <stdio.h>
#include <stdlib.h>

/* Prints what went wrong in the last call. */
static int failed(const char *what) {
  fprintf(stderr, "%s: %s\n", what, nfbmr_last_error());
  return 2;
}

/* Reads a PPM file of 8 bits a value; the pixels are the caller's to free, null where there are none. */
static unsigned char *read_ppm(const char *path, NfbmrFrame *frame) {
  FILE *file = fopen(path, "rb");
  unsigned width = 0, height = 0;
  unsigned char *pixels = NULL;
  if (file && fscanf(file, "P6 %u %u 255", &width, &height) == 2 && fgetc(file) != EOF) {
    size_t bytes = (size_t)width * height * 3;
    pixels = malloc(bytes);
    if (pixels && fread(pixels, 1, bytes, file) != bytes) {
      free(pixels);
      pixels = NULL;
    }
  }
  if (file) fclose(file);
  *frame = (NfbmrFrame){pixels, width, height, (size_t)width * 3, NFBMR_RGB8};
  return pixels;
}

/* Scores one frame; 1 for a defect, 0 for a good part, 2 for an error. */
static int detect(const NfbmrModel *model, const char *path) {
  NfbmrFrame frame;
  unsigned char *pixels = read_ppm(path, &frame);
  if (!pixels) {
    fprintf(stderr, "%s: expected a PPM file of 8 bits a value\n", path);
    return 2;
  }
  NfbmrDetection *detection = NULL;
  NfbmrStatus status = nfbmr_detect(model, &frame, &detection);
  free(pixels);
  if (status != NFBMR_STATUS_OK) return failed(path);

  NfbmrResult result;
  const NfbmrRegion *regions;
  size_t count;
  nfbmr_detection_result(detection, &result);
  nfbmr_detection_regions(detection, &regions, &count);
  fprintf(stderr, "%s: score %.9g, p-value %g, %s\n", path, result.score, result.p_value,
          result.is_anomalous == 0 ? "good" : result.is_anomalous == 1 ? "defect" : "not calibrated");
  for (size_t i = 0; i < count; i++) {
    fprintf(stderr, "  defect at %u, %u of %u x %u pixels\n", regions[i].x, regions[i].y, regions[i].width,
            regions[i].height);
  }
  printf("%s\n", nfbmr_detection_json(detection)); /* all of it */
  nfbmr_detection_free(detection);
  return result.is_anomalous == 1;
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: detect MODEL FRAME.ppm ...\n");
    return 2;
  }
  if (nfbmr_abi_version() != NFBMR_ABI_VERSION) {
    fprintf(stderr, "expected libnfbmr of ABI %d, found %u\n", NFBMR_ABI_VERSION, nfbmr_abi_version());
    return 2;
  }
  NfbmrModel *model = NULL;
  if (nfbmr_load(argv[1], NULL, &model) != NFBMR_STATUS_OK) return failed(argv[1]);
  int worst = 0;
  for (int i = 2; i < argc; i++) {
    int code = detect(model, argv[i]);
    if (code > worst) worst = code;
  }
  nfbmr_model_free(model);
  return worst;
}
