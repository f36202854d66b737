/* oneDNN's engine of the processor, held to the instruction-set level of this process. */
#ifndef SSFER_COMPUTE_CPU_ONEDNN_H
#define SSFER_COMPUTE_CPU_ONEDNN_H

#include "base/status.h"

#include <oneapi/dnnl/dnnl.h>

/* The one place where an engine is made, since oneDNN takes a level before everything else, and once in a process. A
 * level lowered by SSFER_CPU or --cpu counts more than oneDNN's own DNNL_MAX_CPU_ISA; one that is not leaves oneDNN
 * alone. Errors: those of ssfer_cpu_level_check; SSFER_ERR_UNSUPPORTED if oneDNN works at another level already, or
 * does not start; SSFER_ERR_MEMORY. */
ssfer_status ssfer_onednn_engine_create(dnnl_engine_t *out, ssfer_error *err);

#endif
