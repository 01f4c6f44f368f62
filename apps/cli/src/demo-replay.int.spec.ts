import type { HistoryEvent } from '@genledger/jobs';
import { newId } from '@genledger/platform';
import type { Actor } from '@genledger/platform';
import { JobStores, openJobStores } from '../../../test/support/job-stores';
import { replayEqualsReadModel } from './demo-replay';

const alice: Actor = { userId: '11111111-1111-4111-8111-111111111111', role: 'user' };
const id = newId();

let stores: JobStores;
let history: HistoryEvent[];

beforeAll(async () => {
  stores = await openJobStores();
  await stores.store.submit({
    id,
    userId: alice.userId,
    meta: { actor: 'test' },
    command: {
      type: 'queue',
      actor: alice,
      job: {
        kind: 'text_to_image',
        mode: 'text_to_image',
        model: null,
        projectId: null,
        inputAssetId: null,
        collectionId: null,
        ordinalNumber: null,
        traitOverrides: null,
        requested: { number_of_images: 2 },
        effective: { number_of_images: 2, seed: 7 },
        content: { prompt: 'a lake', tags: ['blue'] },
        priority: 3,
        maxAttempts: 3,
        runAt: null,
        deadline: null,
        retryOf: null,
        estimatedCents: 8,
        statedCents: 0,
      },
    },
  });
  // As it comes over HTTP.
  const { rows } = await stores.superuser.query(
    `select e.*, c.body as content from genledger.events e join genledger.event_contents c using (stream_id, version)`,
  );
  history = rows.map((row: HistoryEvent & { recorded_at: Date }) => ({
    ...row,
    recorded_at: row.recorded_at.toISOString(),
  }));
});
afterAll(() => stores.close());

async function compare(): Promise<{ equal: boolean; said: string }> {
  let said = '';
  const terminal = { err: (text: string) => void (said += text) };
  return { equal: await replayEqualsReadModel(stores.database, alice, id, history, terminal), said };
}

it('is so where the stored job is what its events say', async () => {
  expect(await compare()).toEqual({ equal: true, said: '' });
});

it('is not so where one field differs, and names it', async () => {
  await stores.superuser.query('update genledger.job_states set rank = -4');
  expect(await compare()).toEqual({ equal: false, said: 'priority is 4, by its events 3\n' });
});

it('is not so where the job is not stored at all', async () => {
  await stores.superuser.query('delete from genledger.job_states');
  expect(await compare()).toEqual({ equal: false, said: 'row is "absent", by its events "present"\n' });
});
