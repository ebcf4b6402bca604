// Prints the entries of a table that another program made, whatever its keys, and adds one.
#include <inttypes.h>

#include "check.h"

int main(int argc, char **argv) {
    CHECK(argc == 2);
    shmap_table *table = NULL;
    shmap_entries *entries = NULL;
    size_t count = 0;
    GIVES(SHMAP_OK, shmap_table_open(argv[1], NULL, &table));
    const int kind = shmap_table_key_kind(table);
    GIVES(SHMAP_OK, shmap_table_entries(table, &entries));
    GIVES(SHMAP_OK, shmap_entries_len(entries, &count));
    for (size_t i = 0; i < count; i++) {
        if (kind == SHMAP_KEYS_TEXT || kind == SHMAP_KEYS_BYTES) {
            shmap_pair entry;
            GIVES(SHMAP_OK, shmap_entries_at_bytes(entries, i, &entry));
            printf("%.*s=%.*s\n", (int)entry.key.len, (const char *)entry.key.data, (int)entry.value.len,
                   (const char *)entry.value.data);
        } else {
            shmap_status_i64 entry;
            GIVES(SHMAP_OK, shmap_entries_at_i64(entries, i, &entry));
            printf("%" PRId64 "=%.*s\n", entry.key, (int)entry.value.len, (const char *)entry.value.data);
        }
    }
    GIVES(SHMAP_OK, shmap_entries_free(entries));
    if (kind == SHMAP_KEYS_TEXT || kind == SHMAP_KEYS_BYTES) {
        GIVES(SHMAP_OK, shmap_table_add_bytes(table, "7", 1, "from C", 6));
    } else {
        GIVES(SHMAP_OK, shmap_table_add_i64(table, 7, "from C", 6));
    }
    GIVES(SHMAP_OK, shmap_table_close(table));
    puts("ok");
    return 0;
}
