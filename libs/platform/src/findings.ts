/** Something that an invariant does not hold for: a stream, a row, a file. */
export interface Offender {
  readonly id: string;
  readonly detail: string;
}

export interface VerificationResult {
  readonly invariant: string;
  /** What must be so, in a sentence. */
  readonly statement: string;
  readonly holds: boolean;
  /** How many streams, rows or files were looked at. */
  readonly checked: number;
  readonly offenders: number;
  /** The first of them. */
  readonly examples: readonly Offender[];
}

/** `done` of `total` in a step of a verification; `total` may be passed by what arrives meanwhile. */
export type ReportProgress = (progress: {
  readonly step: string;
  readonly done: number;
  readonly total: number;
}) => void;

/** A person looks at some; the count says how bad it is. */
const EXAMPLES = 20;

/** Gathers what a verification finds, by invariant: `statements` are name → sentence. */
export class Findings<Name extends string> {
  private readonly found = new Map<string, { checked: number; offenders: number; examples: Offender[] }>();

  constructor(private readonly statements: Readonly<Record<Name, string>>) {
    for (const name of Object.keys(statements))
      this.found.set(name, { checked: 0, offenders: 0, examples: [] });
  }

  checked(name: Name, count: number): void {
    this.found.get(name)!.checked += count;
  }

  offends(name: Name, id: string, detail: string): void {
    const entry = this.found.get(name)!;
    entry.offenders += 1;
    if (entry.examples.length < EXAMPLES) entry.examples.push({ id, detail });
  }

  results(): VerificationResult[] {
    return [...this.found].map(([invariant, entry]) => ({
      invariant,
      statement: this.statements[invariant as Name],
      holds: entry.offenders === 0,
      ...entry,
    }));
  }
}
