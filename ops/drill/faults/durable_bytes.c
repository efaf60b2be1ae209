/* Preloaded into the journal's server by the power-cut drill: after each finished fsync it notes how long the file was
   before it, in lines "path size" of $DURABLE_LOG. Bytes beyond that may be lost with the power. Files that are only
   appended to; a write that has no fsync behind it is not in here, and that is the point. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void note(int fd, long long size) {
  char link[64], path[4096], line[4200];
  const char *log = getenv("DURABLE_LOG");
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (log == NULL || length < 0) return;
  path[length] = 0;
  if (strstr(path, ".aof") == NULL) return;
  int out = open(log, O_WRONLY | O_APPEND);
  if (out < 0) return;
  int bytes = snprintf(line, sizeof line, "%s %lld\n", path, size);
  if (write(out, line, bytes) != bytes) abort(); /* half a note would be worse than a dead server */
  close(out);
}

static int sync_and_note(int fd, const char *name) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  struct stat before; /* before the call: bytes appended meanwhile do not count */
  int known = fstat(fd, &before) == 0;
  int result = real(fd);
  if (result == 0 && known) note(fd, (long long)before.st_size);
  return result;
}

int fdatasync(int fd) { return sync_and_note(fd, "fdatasync"); }

int fsync(int fd) { return sync_and_note(fd, "fsync"); }
