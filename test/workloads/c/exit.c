// Exits with the code given as its argument, or 0: exit CODE
#include <stdlib.h>

int main(int argc, char **argv) { return argc > 1 ? atoi(argv[1]) : 0; }
