#include "ssfer/status.h"

#include <stdio.h>

int main(void)
{
    printf("ssfer %s\n", ssfer_version());
    return 0;
}
