import { Turnstile } from './turnstile';

interface Work {
  readonly name: string;
  finish(): void;
  fail(): void;
}

it('lets so many in at a time, in the order they came, and goes on after a failure', async () => {
  const turnstile = new Turnstile(2);
  const inside: Work[] = [];
  const entered: string[] = [];
  const enter = (name: string): Promise<void> =>
    turnstile.pass(
      () =>
        new Promise<void>((resolve, reject) => {
          entered.push(name);
          inside.push({ name, finish: resolve, fail: () => reject(new Error(name)) });
        }),
    );
  const all = ['a', 'b', 'c', 'd', 'e'].map(enter);
  expect(entered).toEqual(['a', 'b']);
  inside[1]!.fail();
  await expect(all[1]).rejects.toThrow('b');
  expect(entered).toEqual(['a', 'b', 'c']);
  inside[0]!.finish();
  inside[2]!.finish();
  await Promise.all([all[0], all[2]]);
  expect(entered).toEqual(['a', 'b', 'c', 'd', 'e']);
  inside[3]!.finish();
  inside[4]!.finish();
  await Promise.all([all[3], all[4]]);
  const late = enter('f');
  expect(entered.at(-1)).toBe('f');
  inside[5]!.finish();
  await late;
});
