// At most one group of threads a multiprocessor.
assign_stages<KIND, DK, LEFT>((const unsigned short*)planes, half_squares, x, n, int(d), padded, (long long*)labels, memory);
