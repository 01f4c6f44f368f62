/** From the rounds' result lines to the entries of `--json`. */
import { OURS } from './rows.mjs';

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

const range = (values) => [Math.min(...values), Math.max(...values)];

const perJob = (lines, field) =>
  lines.some((line) => line[field] === null || line[field] === undefined)
    ? null
    : median(lines.map((line) => line[field] / line.jobs));

/**
 * `{ rate, range, server, client, note }` of one contestant: the median rate a second with its smallest and
 * largest, and the median CPU microseconds a job.
 */
export function summarise(lines) {
  const rates = lines.map((line) => line.rate);
  return {
    rate: median(rates),
    range: range(rates),
    server: perJob(lines, 'server_cpu_us'),
    client: perJob(lines, 'client_cpu_us'),
    note: lines.at(-1).note,
  };
}

/**
 * The entries of a row. `rounds` is one `{ contestant: line }` a round. An entry's yardstick is the peer with
 * the highest median among those it names; its ratio is median over median, and the ratio's spread comes from
 * the rounds, each taken alone. Without the yardstick or ours it is null, and `note` says why.
 */
export function entries(row, rounds, notes) {
  const names = Object.keys(row.jobs.quick);
  const linesOf = (name) => rounds.flatMap((round) => round[name] ?? []);
  const taking = names.filter((name) => linesOf(name).length > 0);
  const summaries = Object.fromEntries(taking.map((name) => [name, summarise(linesOf(name))]));
  const pick = (field, chosen) => Object.fromEntries(chosen.map((name) => [name, summaries[name][field]]));
  const ours = summaries[OURS];
  return row.goals.map(({ id, goal, yardstick }) => {
    const present = yardstick.filter((name) => summaries[name]);
    const fastest = present.sort((a, b) => summaries[b].rate - summaries[a].rate)[0] ?? null;
    const compared = fastest ? rounds.filter((round) => round[OURS] && round[fastest]) : [];
    const missing = (fastest ? [] : yardstick).concat(ours ? [] : [OURS]);
    const note = missing.map((name) => `${name}: ${notes[name] ?? 'did not run'}`).join('; ');
    return {
      id,
      ratio: ours && fastest ? ours.rate / summaries[fastest].rate : null,
      goal,
      ours: ours?.rate ?? null,
      peers: pick(
        'rate',
        taking.filter((name) => name !== OURS),
      ),
      yardstick: fastest,
      rounds: rounds.length,
      spread: {
        ratio: compared.length
          ? range(compared.map((round) => round[OURS].rate / round[fastest].rate))
          : null,
        ...pick('range', taking),
      },
      cpu_us_per_job: Object.fromEntries(
        taking.map((name) => [name, { server: summaries[name].server, client: summaries[name].client }]),
      ),
      ...(note ? { note } : {}),
    };
  });
}
