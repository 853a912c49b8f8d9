// client HOST PATH: prints what a web server answers.
#include <stdio.h>
#include <stdlib.h>

#include "wasi_socket.h"

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  int fd = tcp_connect(argv[1], 80);
  if (fd < 0) {
    perror(argv[1]);
    return 1;
  }
  dprintf(fd, "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", argv[2], argv[1]);
  static char answer[65536];
  size_t length = 0;
  ssize_t got;
  while (length < sizeof answer - 1 && (got = read(fd, answer + length, sizeof answer - 1 - length)) > 0) length += got;
  char *body = strstr(answer, "\r\n\r\n");
  if (body == NULL) return 1;
  fputs(body + 4, stdout);
  return 0;
}
