/* Draws grey brushed plates as PPM files: 24 good ones into DIR/good, 6 with a dark scratch and 2 good ones into DIR/new.
 * The same files every time. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 96, GOOD = 24, NEW = 8 };

static uint32_t state;

static uint32_t noise(void) {
  state = state * 1664525u + 1013904223u;
  return state >> 24;
}

static void draw(const char *path, uint32_t seed, int scratched) {
  static unsigned char pixels[SIDE][SIDE][3];
  state = seed * 2654435761u + 1;
  for (int y = 0; y < SIDE; y++) {
    int line = 120 + (int)(noise() % 40);
    for (int x = 0; x < SIDE; x++) {
      int grey = line + (int)(noise() % 16) + x / 8;
      if (scratched && abs(x - y - (int)(seed % 7) * 3) < 3 && x > 30 && x < 66) grey -= 90;
      for (int c = 0; c < 3; c++) pixels[y][x][c] = (unsigned char)(grey + 4 * c);
    }
  }
  FILE *file = fopen(path, "wb");
  if (!file || fprintf(file, "P6\n%d %d\n255\n", SIDE, SIDE) < 0 || fwrite(pixels, sizeof pixels, 1, file) != 1 || fclose(file)) {
    perror(path);
    exit(1);
  }
}

int main(int argc, char **argv) {
  char path[4096];
  if (argc != 2) return 1;
  for (int i = 0; i < GOOD; i++) {
    snprintf(path, sizeof path, "%s/good/%03d.ppm", argv[1], i);
    draw(path, (uint32_t)i, 0);
  }
  for (int i = 0; i < NEW; i++) {
    snprintf(path, sizeof path, "%s/new/%03d.ppm", argv[1], i);
    draw(path, (uint32_t)(1000 + i), i >= 2);
  }
  return 0;
}
