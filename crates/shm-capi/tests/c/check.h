// What the C tests have in common.
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shmap.h"

#define CHECK(condition)                                                                                  \
    do {                                                                                                  \
        if (!(condition)) {                                                                               \
            fprintf(stderr, "%s:%d: not so: %s; last error: %s\n", __FILE__, __LINE__, #condition,        \
                    shmap_last_error());                                                                  \
            exit(1);                                                                                      \
        }                                                                                                 \
    } while (0)

// The call gives this code.
#define GIVES(expected, call)                                                                             \
    do {                                                                                                  \
        const int result_ = (call);                                                                       \
        if (result_ != (expected)) {                                                                      \
            fprintf(stderr, "%s:%d: %s gave %d, not %d; last error: %s\n", __FILE__, __LINE__, #call,     \
                    result_, (int)(expected), shmap_last_error());                                        \
            exit(1);                                                                                      \
        }                                                                                                 \
    } while (0)

// The call fails with this code, and the message contains this text.
#define FAILS(expected, text, call)                                                                       \
    do {                                                                                                  \
        GIVES(expected, call);                                                                            \
        if (strstr(shmap_last_error(), text) == NULL) {                                                   \
            fprintf(stderr, "%s:%d: %s: \"%s\" is not in: %s\n", __FILE__, __LINE__, #call, text,         \
                    shmap_last_error());                                                                  \
            exit(1);                                                                                      \
        }                                                                                                 \
    } while (0)

#define IS(bytes, text) CHECK((bytes).len == strlen(text) && memcmp((bytes).data, text, (bytes).len) == 0)

#endif
