#include "data/name_list.h"

#include <stdio.h>
#include <string.h>

void ssfer_name_list_add(ssfer_name_list *list, const char *name, size_t length)
{
    size_t used = strlen(list->text), room = sizeof list->text - used;
    if (length + 8 < room)
        snprintf(list->text + used, room, "%s%.*s", list->count ? ", " : "", (int)length, name);
    else if (room > 5 && (used < 3 || strcmp(list->text + used - 3, "...") != 0))
        snprintf(list->text + used, room, ", ...");
    list->count++;
}
