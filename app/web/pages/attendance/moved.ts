/** The same order with the student at `from` put to `to`; an impossible place changes nothing. */
export function moved<T>(order: readonly T[], from: number, to: number): readonly T[] {
  const student = order[from];
  if (student === undefined || from === to || to < 0 || to >= order.length) return order;
  const others = order.filter((_, at) => at !== from);
  return [...others.slice(0, to), student, ...others.slice(to)];
}
