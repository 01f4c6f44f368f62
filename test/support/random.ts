/** A repeatable source of chance (mulberry32): numbers in [0, 1). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A seed of its own for each run, on the screen; TEST_SEED repeats one. */
export function printedSeed(spec: string): number {
  const seed = Number(process.env.TEST_SEED ?? Date.now() & 0x7fffffff);
  process.stdout.write(`${spec}: TEST_SEED=${seed}\n`);
  return seed;
}
