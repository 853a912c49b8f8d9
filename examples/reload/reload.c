// Reads a file again and again, prints it whenever it has changed, and ends when it says 'bye'.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
  const char *path = argc > 1 ? argv[1] : "/etc/settings/greeting";
  char last[256] = "";
  setvbuf(stdout, NULL, _IOLBF, 0);
  while (strcmp(last, "bye") != 0) {
    char now[256] = "";
    FILE *file = fopen(path, "r");
    if (file == NULL) {
      perror(path);
      return 1;
    }
    if (fgets(now, sizeof now, file) != NULL) now[strcspn(now, "\n")] = '\0';
    fclose(file);
    if (strcmp(now, last) != 0) printf("%s\n", strcpy(last, now));
    usleep(200 * 1000);
  }
  return 0;
}
