/** What every contestant enqueues: about 300 bytes of JSON, 100 users, 500 projects (five to a user). */

const USERS = 100;
const PROJECTS = 500;

const uuid = (prefix, number) => `${prefix}0000000-0000-4000-8000-${String(number).padStart(12, '0')}`;

/** The 100 users, as UUIDs. */
export const userIds = Array.from({ length: USERS }, (_, i) => uuid('0', i));

/** The 500 projects, as `{ id, userId }`. */
export const projects = Array.from({ length: PROJECTS }, (_, i) => ({
  id: uuid('1', i),
  userId: userIds[i % USERS],
}));

/** The i-th job. Its project belongs to its user. */
export function payload(i) {
  const project = projects[i % PROJECTS];
  return {
    prompt: `A sunset over the quiet harbour number ${i}, oil on canvas, warm light, wide brush strokes`,
    mode: 'lifestyle',
    userId: project.userId,
    projectId: project.id,
    costCents: 25,
    metadata: { aspectRatio: '16:9', numberOfImages: 2 },
  };
}

/** Jobs `from` to `from + count - 1`. */
export const payloads = (from, count) => Array.from({ length: count }, (_, k) => payload(from + k));
