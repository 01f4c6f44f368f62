import { newIdAt } from '@genledger/platform';
import type { Chance } from './chance';

/** At most this many users, one more for every so many jobs. */
const MOST_USERS = 40;
const JOBS_A_USER = 250;
const PROJECT_NAMES = [
  'Spring campaign',
  'Product shots',
  'Book covers',
  'Mood boards',
  'Game backgrounds',
  'Newsletter',
] as const;

export interface SyntheticUser {
  readonly id: string;
  readonly projects: readonly { readonly id: string; readonly name: string }[];
}

/** The users of a history and their projects, made when it begins. The first ones ask for most. */
export class Cast {
  readonly users: readonly SyntheticUser[];

  constructor(jobs: number, bornAt: number, chance: Chance) {
    const users = Math.min(MOST_USERS, 3 + Math.floor(jobs / JOBS_A_USER));
    this.users = Array.from({ length: users }, () => {
      const first = chance.integer(0, PROJECT_NAMES.length - 1);
      return {
        id: userId(chance),
        projects: Array.from({ length: chance.integer(1, 3) }, (_, at) => ({
          id: newIdAt(bornAt),
          name: PROJECT_NAMES[(first + at) % PROJECT_NAMES.length]!,
        })),
      };
    });
  }

  someone(chance: Chance): SyntheticUser {
    return this.users[Math.floor(this.users.length * chance.next() ** 2)]!;
  }
}

/** A UUIDv4 that the seed decides: the same users whenever the history is made. */
function userId(chance: Chance): string {
  const hex = Array.from({ length: 4 }, () =>
    chance.integer(0, 0xffffffff).toString(16).padStart(8, '0'),
  ).join('');
  const variant = '89ab'[chance.integer(0, 3)]!;
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20),
  ].join('-');
}
