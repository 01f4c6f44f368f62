/** The table on stdout. */
import { OURS, contestants } from './rows.mjs';
import { summarise } from './results.mjs';

const whole = (number) => Math.round(number).toLocaleString('en-US');
const ratio = (number) => number.toFixed(number < 10 ? 2 : 1);
const micros = (number) => (number === null ? '–' : number.toFixed(1));

const columns = [
  ['contestant', 17, 'padEnd'],
  ['median', 12, 'padStart'],
  ['smallest – largest', 21, 'padStart'],
  ['CPU µs a job: server', 22, 'padStart'],
  ['client', 8, 'padStart'],
];

const line = (cells) =>
  `  ${columns.map(([, width, pad], i) => (cells[i] ?? '')[pad](width)).join(' ')}`.trimEnd();

function verdict(entry) {
  const goal = `goal ≥ ${entry.goal}`;
  if (entry.ratio === null) return `  ${entry.id.padEnd(12)} no ratio (${entry.note}); ${goal}`;
  const [low, high] = entry.spread.ratio;
  const reached = entry.ratio >= entry.goal ? 'reached' : 'NOT reached';
  return `  ${entry.id.padEnd(12)} ratio ${ratio(entry.ratio)} to ${entry.yardstick} (rounds: ${ratio(low)} – ${ratio(high)}); ${goal}: ${reached}`;
}

/** One row: a line a contestant, then a line a goal. `notes`: why a contestant did not run. */
export function rowTable(row, rounds, notes, rowEntries) {
  const lines = [
    `${row.id}  ${row.title} (${row.unit}, ${rounds.length} rounds)`,
    line(columns.map(([title]) => title)),
  ];
  for (const { name } of contestants(row)) {
    const results = rounds.flatMap((round) => round[name] ?? []);
    const label = name === OURS ? 'Genledger' : name;
    if (results.length === 0) {
      lines.push(`  ${label.padEnd(17)} ${notes[name] ?? 'did not run'}`);
      continue;
    }
    const { rate, range, server, client, note } = summarise(results);
    lines.push(
      line([label, whole(rate), `${whole(range[0])} – ${whole(range[1])}`, micros(server), micros(client)]) +
        [note, notes[name]]
          .filter(Boolean)
          .map((text) => `   ${text}`)
          .join(''),
    );
  }
  return [...lines, ...rowEntries.map(verdict)].join('\n');
}

/** What was measured, and on what. */
export function heading({ profile, machine, versions, commit_ms: commit }) {
  const list = Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ');
  return [
    `Benchmark (${profile}): ${machine.cpus} × ${machine.model}, ${machine.memory_gib} GiB`,
    `${list}`,
    `PostgreSQL: fsync=on, synchronous_commit=on; one durable commit takes ${commit.toFixed(2)} ms (median of 100)`,
  ].join('\n');
}
