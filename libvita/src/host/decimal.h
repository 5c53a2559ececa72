/* SPDX-License-Identifier: MIT
 *
 * Inside libvita: numbers in files and settings, which mean the same in every locale.
 */
#ifndef VITA_HOST_DECIMAL_H
#define VITA_HOST_DECIMAL_H

/* As strtod, with a point before the fraction whatever the program's locale has there. */
double vita_decimal(const char *text, char **end);

#endif
