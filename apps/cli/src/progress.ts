import type { ReportProgress } from '@genledger/platform';
import type { Terminal } from './terminal';

/** Redrawn at most this often on a screen; said this often elsewhere. */
const REDRAW_MS = 100;
const SAY_MS = 5_000;
const WIDTH = 24;

export interface Progress {
  readonly report: ReportProgress;
  /** Takes the bar off the screen. */
  clear(): void;
}

/** Progress on standard error: a bar on a screen, else a plain line every few seconds. */
export function progressOn(terminal: Terminal, now: () => number = Date.now): Progress {
  const every = terminal.isInteractive ? REDRAW_MS : SAY_MS;
  let due = now() + (terminal.isInteractive ? 0 : every);
  let drawn = false;
  let pace: Pace | null = null;
  return {
    report: ({ step, done, total }) => {
      if (pace?.step !== step) pace = { step, from: done, since: now() };
      if (now() < due) return;
      due = now() + every;
      if (!terminal.isInteractive) {
        terminal.err(`${step}: ${count(done)} of ${count(total)}\n`);
        return;
      }
      const share = total === 0 ? 1 : Math.min(1, done / total);
      const filled = Math.round(share * WIDTH);
      const bar = '█'.repeat(filled) + '░'.repeat(WIDTH - filled);
      const percent = `${Math.floor(share * 100)} %`.padStart(5);
      terminal.err(
        `\r\x1b[K${step.padEnd(10)} ${bar} ${percent}  ${count(done)} of ${count(total)}${paceOf(pace, done, total, now())}`,
      );
      drawn = true;
    },
    clear: () => {
      if (drawn) terminal.err('\r\x1b[K');
      drawn = false;
    },
  };
}

/** Where a step was first heard of: a rebuild that goes on begins in the middle. */
interface Pace {
  readonly step: string;
  readonly from: number;
  readonly since: number;
}

/** How fast, and how long still; nothing until there is something to tell by. */
function paceOf({ from, since }: Pace, done: number, total: number, now: number): string {
  const rate = ((done - from) * 1000) / (now - since);
  if (!(rate > 0 && Number.isFinite(rate))) return '';
  return `  ${count(Math.round(rate))}/s, ${duration(Math.max(0, total - done) / rate)} left`;
}

function duration(seconds: number): string {
  const [s, m] = [Math.ceil(seconds), Math.round(seconds / 60)];
  if (s < 60) return `${s} s`;
  return m < 60 ? `${m} min` : `${Math.floor(m / 60)} h ${m % 60} min`;
}

export function count(n: number): string {
  return n.toLocaleString('en-US');
}
