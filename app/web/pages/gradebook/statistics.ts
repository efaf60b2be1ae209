/** What a column of scores looks like: how many, their mean and median, and a small picture of how they are spread. */

export interface Statistics {
  readonly count: number;
  readonly mean: number;
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
  /** How many scores fall into each of `BARS` equal parts of the column's range; extra credit counts in the last. */
  readonly bars: readonly number[];
}

export const BARS = 8;

/** Statistics of these scores in a column from `min` to `max`; undefined where there is nothing to count. */
export function statisticsOf(scores: readonly number[], min: number, max: number): Statistics | undefined {
  if (scores.length === 0) return undefined;
  const sorted = [...scores].sort((a, b) => a - b);
  const count = sorted.length;
  const middle = count >> 1;
  const median = count % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  const bars = new Array<number>(BARS).fill(0);
  const width = (max - min) / BARS;
  for (const score of sorted) {
    const bar = width > 0 ? Math.floor((score - min) / width) : 0;
    bars[Math.max(0, Math.min(BARS - 1, bar))]! += 1;
  }
  const mean = sorted.reduce((sum, score) => sum + score, 0) / count;
  return { count, mean, median, lowest: sorted[0]!, highest: sorted[count - 1]!, bars };
}
