const HOUR_MS = 3_600_000;

/** How much is asked for in each hour of a day, in UTC: little at night, most in the afternoon. */
const BY_HOUR = [2, 1, 1, 1, 1, 2, 4, 8, 14, 19, 22, 21, 17, 20, 24, 25, 23, 19, 14, 11, 9, 7, 5, 3];
const WEEKEND = 0.35;
/** The last day brings this much more than the first. */
const GROWTH = 3;

/** When work arrives between two moments (ms since 1970): by the hour and the weekday, and more from month to month. */
export class WorkRhythm {
  /** Work that has arrived by the end of each hour. */
  private readonly arrived: number[] = [];

  constructor(
    private readonly from: number,
    private readonly until: number,
  ) {
    const hours = Math.ceil((until - from) / HOUR_MS);
    let sum = 0;
    for (let hour = 0; hour < hours; hour++) {
      const at = new Date(from + hour * HOUR_MS);
      const weekday = at.getUTCDay();
      const daily = (weekday === 0 || weekday === 6 ? WEEKEND : 1) * BY_HOUR[at.getUTCHours()]!;
      this.arrived.push((sum += daily * (1 + ((GROWTH - 1) * hour) / hours)));
    }
  }

  /** The moment by which a share in [0, 1] of all work has arrived; a larger share has no earlier one. */
  momentOf(share: number): number {
    const wanted = share * this.arrived.at(-1)!;
    let [low, high] = [0, this.arrived.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.arrived[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    const before = this.arrived[low - 1] ?? 0;
    const within = (wanted - before) / (this.arrived[low]! - before);
    return Math.min(this.until, Math.floor(this.from + (low + within) * HOUR_MS));
  }
}
