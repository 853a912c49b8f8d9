// Writes so many bytes to standard output in lines of 100 bytes: flood BYTES [buffered|unbuffered]
//
// Each line holds its number, so that a reader can tell a lost or doubled line. `buffered` hands the lines over in
// pieces of 64 KiB, `unbuffered` each in a write of its own.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE 100

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: flood BYTES [buffered|unbuffered]\n");
    return 2;
  }
  static char buffer[65536];
  int unbuffered = argc > 2 && strcmp(argv[2], "unbuffered") == 0;
  setvbuf(stdout, buffer, unbuffered ? _IOLBF : _IOFBF, sizeof buffer);
  char line[LINE + 1];
  long lines = atol(argv[1]) / LINE;
  for (long i = 1; i <= lines; i++) {
    int used = snprintf(line, sizeof line, "%012ld ", i);
    memset(line + used, 'a' + i % 26, LINE - 1 - used);
    line[LINE - 1] = '\n';
    if (fwrite(line, 1, LINE, stdout) != LINE) {
      perror("flood");
      return 1;
    }
  }
  return fflush(stdout) == 0 ? 0 : 1;
}
