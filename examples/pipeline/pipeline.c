// A part of a pipeline, which passes messages on, one a line:
//   source TO                makes ten and sends them to TO:7000
//   upper TO                 takes them at port 7000, in capitals to TO:7000
//   sink                     takes them at port 7000, and prints them
// Each ends when those before it have ended. One that finds nobody yet tries again.
#include <ctype.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "wasi_socket.h"

enum { PORT = 7000, FIRST_LISTENER = 3, ATTEMPTS = 600 };

static FILE *next(const char *host) {
  for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
    int fd = tcp_connect(host, PORT);
    if (fd >= 0) return fdopen(fd, "w");
    usleep(200 * 1000);
  }
  perror(host);
  exit(1);
}

static FILE *previous(void) {
  // A listening descriptor that came with the start does not block.
  struct pollfd listener = {.fd = FIRST_LISTENER, .events = POLLIN};
  poll(&listener, 1, -1);
  int fd = accept(FIRST_LISTENER, NULL, NULL);
  if (fd >= 0) return fdopen(fd, "r");
  perror("accept");
  exit(1);
}

int main(int argc, char **argv) {
  const char *role = argc > 1 ? argv[1] : "";
  char line[256];
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (strcmp(role, "source") == 0 && argc > 2) {
    FILE *out = next(argv[2]);
    for (int i = 1; i <= 10; i++) fprintf(out, "message %d\n", i);
    return fclose(out);
  }
  if (strcmp(role, "upper") == 0 && argc > 2) {
    FILE *in = previous(), *out = next(argv[2]);
    while (fgets(line, sizeof line, in) != NULL) {
      for (char *c = line; *c; c++) *c = (char)toupper((unsigned char)*c);
      fputs(line, out);
    }
    return fclose(out);
  }
  if (strcmp(role, "sink") == 0) {
    FILE *in = previous();
    while (fgets(line, sizeof line, in) != NULL) fputs(line, stdout);
    puts("end of messages");
    return 0;
  }
  fprintf(stderr, "usage: source TO | upper TO | sink\n");
  return 2;
}
