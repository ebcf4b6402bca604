// Writes a table that another program made: key 7 as often as it is asked to, by a number a line. It
// answers each line when it has written.
#include "check.h"

int main(int argc, char **argv) {
    CHECK(argc == 2);
    shmap_table *table = NULL;
    char line[32];
    GIVES(SHMAP_OK, shmap_table_open(argv[1], NULL, &table));
    while (fgets(line, sizeof line, stdin) != NULL) {
        for (long left = strtol(line, NULL, 10); left > 0; left--) {
            GIVES(SHMAP_OK, shmap_table_update(table, 7, line, strlen(line)));
        }
        puts("written");
        fflush(stdout);
    }
    GIVES(SHMAP_OK, shmap_table_close(table));
    return 0;
}
