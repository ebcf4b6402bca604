/* What the unwinder of a C compiler made for glibc misses when its program is linked with musl. */

#define _GNU_SOURCE
#include <link.h>
#include <pthread.h>
#include <stddef.h>

/* The unwinder refers to these weakly: it takes threads for absent, or calls a null pointer, where an
   archive's members are not linked for another reason. */
extern int __pthread_key_create(pthread_key_t *, void (*)(void *));
__attribute__((used)) static const void *const linked[] = {
    __pthread_key_create, pthread_key_create,   pthread_getspecific, pthread_setspecific,
    pthread_mutex_lock,   pthread_mutex_unlock, pthread_once,
};

/* As declared in glibc's <dlfcn.h>, on architectures without dlfo_eh_dbase. */
struct dl_find_object {
    unsigned long long flags;
    void *map_start, *map_end;
    struct link_map *link_map;
    void *eh_frame;
    unsigned long long reserved[7];
};

struct query {
    char *pc;
    struct dl_find_object *found;
};

static int look(struct dl_phdr_info *info, size_t size, void *data)
{
    struct query *query = data;
    char *start = NULL, *end = NULL, *eh_frame = NULL;
    (void)size;
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
    query->found->flags = 0;
    query->found->map_start = start;
    query->found->map_end = end;
    query->found->link_map = NULL;
    query->found->eh_frame = eh_frame;
    return 1;
}

/* Which object of the program has this address, and where is its table of frames? 0 if it was found. */
int _dl_find_object(void *pc, struct dl_find_object *found)
{
    struct query query = {pc, found};
    return dl_iterate_phdr(look, &query) == 1 ? 0 : -1;
}
