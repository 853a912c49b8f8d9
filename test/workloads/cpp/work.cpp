// As c/work.c, with C++'s library, which has neither file streams, <filesystem> nor <thread> for WASI: work FOLDER [ARGUMENT...];
// work trap
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include <dirent.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *yes(bool is) { return is ? "yes" : "no"; }

static void clocks() {
  using namespace std::chrono;
  auto begin = steady_clock::now();
  const timespec pause{0, 5'000'000};
  nanosleep(&pause, nullptr);
  auto epoch = duration_cast<seconds>(system_clock::now().time_since_epoch()).count();
  std::cout << "clocks: past 2020 " << yes(epoch > 1577836800) << ", slept "
            << yes(steady_clock::now() - begin >= milliseconds(5)) << '\n';
}

static void randoms() {
  std::random_device device;
  std::vector<unsigned> first(8), second(8);
  std::generate(first.begin(), first.end(), std::ref(device));
  std::generate(second.begin(), second.end(), std::ref(device));
  std::cout << "random: differs " << yes(first != second) << '\n';
}

static void sorting() {
  std::vector<std::uint32_t> numbers(10000);
  std::uint32_t state = 1;
  std::generate(numbers.begin(), numbers.end(), [&] { return state = state * 1664525u + 1013904223u; });
  std::sort(numbers.begin(), numbers.end());
  auto hash = std::accumulate(numbers.begin(), numbers.end(), 2166136261u,
                              [](std::uint32_t sum, std::uint32_t number) { return (sum ^ number) * 16777619u; });
  std::cout << "sorted: " << numbers.front() << ' ' << numbers[numbers.size() / 2] << ' ' << numbers.back() << ' '
            << std::hex << std::setw(8) << std::setfill('0') << hash << std::dec << '\n';
}

static void floats() {
  double sum = 0;
  for (int i = 1; i <= 10000; i++) sum += std::sqrt(i) / (double(i) * i);
  std::cout << std::fixed << "floats: " << std::setprecision(12) << sum << ' ' << std::setprecision(6)
            << std::sin(1.0) * std::exp(1.0) << '\n';
}

struct Close {
  void operator()(std::FILE *file) const { std::fclose(file); }
  void operator()(DIR *folder) const { closedir(folder); }
};

static std::unique_ptr<std::FILE, Close> open_file(const std::string &path, const char *mode) {
  std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), mode));
  if (!file) std::exit(1);
  return file;
}

static std::map<std::string, bool> entries_of(const std::string &folder) {
  std::map<std::string, bool> entries;
  std::unique_ptr<DIR, Close> stream(opendir(folder.c_str()));
  while (const dirent *entry = readdir(stream.get())) {
    std::string name = entry->d_name;
    if (name.front() != '.') entries[name] = entry->d_type == DT_DIR;
  }
  return entries;
}

static void files(const std::string &folder) {
  const auto in = [&](const char *name) { return folder + "/" + name; };
  if (mkdir(in("c").c_str(), 0777) != 0) std::exit(1);
  std::fputs("first line\n", open_file(in("b.txt"), "w").get());
  std::fputs("second line\n", open_file(in("b.txt"), "a").get());
  std::fputs("0123456789", open_file(in("c/old.txt"), "w").get());
  if (std::rename(in("c/old.txt").c_str(), in("a.txt").c_str()) != 0) std::exit(1);
  std::cout << "folder:";
  for (const auto &[name, is_folder] : entries_of(folder)) std::cout << ' ' << name << (is_folder ? "/" : "");
  std::string text(4, ' ');
  auto file = open_file(in("a.txt"), "r");
  if (std::fseek(file.get(), 3, SEEK_SET) != 0 || std::fread(text.data(), 1, 4, file.get()) != 4) std::exit(1);
  struct stat status, missing;
  if (stat(in("b.txt").c_str(), &status) != 0) std::exit(1);
  std::cout << "\nfiles: " << status.st_size << " bytes, reads " << text << ", missing "
            << yes(stat(in("missing").c_str(), &missing) != 0) << '\n';
  if (rmdir(in("c").c_str()) != 0 || unlink(in("a.txt").c_str()) != 0) std::exit(1);
}

int main(int argc, char **argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.empty()) return 2;
  if (arguments[0] == "trap") __builtin_trap();
  std::cout << "arguments:";
  for (auto argument = arguments.begin() + 1; argument != arguments.end(); ++argument) {
    std::cout << " [" << *argument << ']';
  }
  const char *greeting = std::getenv("GREETING");
  std::cout << "\nGREETING: " << (greeting ? greeting : "") << '\n';
  clocks();
  randoms();
  sorting();
  floats();
  files(arguments[0]);
  std::cout.flush();
  std::cerr << "to standard error\n";
  return 3;
}
