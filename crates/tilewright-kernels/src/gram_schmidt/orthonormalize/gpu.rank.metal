// How many columns each matrix has kept.
uint batch = thread_position_in_grid.x;
int count = 0;
for (uint j = 0; j < n; ++j) {
    count += kept[batch * n + j];
}
rank[batch] = count;
