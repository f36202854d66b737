/* Names in a message: "anger, disgust, fear", cut with "..." where they are too many. */
#ifndef SSFER_DATA_NAME_LIST_H
#define SSFER_DATA_NAME_LIST_H

#include <stddef.h>

/* Zero-initialise ({0}). */
typedef struct ssfer_name_list {
    char text[256];
    size_t count; /* also of those that are not in the text */
} ssfer_name_list;

void ssfer_name_list_add(ssfer_name_list *list, const char *name, size_t length);

#endif
