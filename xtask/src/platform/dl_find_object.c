/* glibc's `_dl_find_object` for musl: the unwinder of a C compiler made for glibc calls it.
   Which object of the program has this address, and where is its table of frames? */
#define _GNU_SOURCE
#include <link.h>
#include <stddef.h>

struct dl_find_object {
    unsigned long long flags;
    void *map_start, *map_end;
    struct link_map *link_map;
    void *eh_frame;
    unsigned long long reserved[7];
};

struct query { char *pc; struct dl_find_object *found; };

static int look(struct dl_phdr_info *info, size_t size, void *data)
{
    struct query *query = data;
    char *start = NULL, *end = NULL, *eh_frame = NULL;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        char *at = (char *)info->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_LOAD && query->pc >= at && query->pc < at + header->p_memsz) {
            start = at;
            end = at + header->p_memsz;
        }
        if (header->p_type == PT_GNU_EH_FRAME)
            eh_frame = at;
    }
    if (!start || !eh_frame)
        return 0;
    *query->found = (struct dl_find_object){.map_start = start, .map_end = end, .eh_frame = eh_frame};
    return 1;
}

int _dl_find_object(void *pc, struct dl_find_object *found)
{
    struct query query = {pc, found};
    return dl_iterate_phdr(look, &query) == 1 ? 0 : -1;
}
