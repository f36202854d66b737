/* What the report's files share. */
#ifndef SSFER_TRAIN_REPORT_PRIVATE_H
#define SSFER_TRAIN_REPORT_PRIVATE_H

extern const char SSFER_REPORT_STYLE[]; /* CSS */

#endif
