// The slots of a library's functions. The first call of a function opens the library and fills its
// slot; where library or function are missing, the call is answered here.

#include <dlfcn.h>
#include <stddef.h>

#define HIDDEN __attribute__((visibility("hidden")))

enum answer { CODE, ZERO, TEXT };
static const char *const names[] = {"NAMES"};
static const unsigned char answers[] = {ANSWERS};
static const char *const files[] = {"FILES", NULL};

HIDDEN void *volatile LIBRARY_slots[sizeof names / sizeof *names];

static long code(void) { return MISSING; }
static long zero(void) { return 0; }
static const char *text(void) { return "NEWEST is missing or too old"; }

HIDDEN void *LIBRARY_resolve(unsigned i) {
  static void *volatile library;
  for (const char *const *file = files; *file && !library; ++file)
    library = dlopen(*file, RTLD_LAZY | RTLD_GLOBAL);
  void *found = library ? dlsym(library, names[i]) : NULL;
  if (found) return LIBRARY_slots[i] = found;
  if (answers[i] == TEXT) return (void *)text;
  return answers[i] == ZERO ? (void *)zero : (void *)code;
}
