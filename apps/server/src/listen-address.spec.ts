import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { refuseTakenAddress } from './listen-address';

let other: Server;
beforeAll(async () => {
  other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
});
afterAll(() => new Promise((resolve) => other.close(resolve)));

it('names PORT and what to do where something else listens', async () => {
  const { port } = other.address() as AddressInfo;
  await expect(refuseTakenAddress({ host: '127.0.0.1', port })).rejects.toThrow(
    `PORT=${port} is in use on 127.0.0.1: end what listens there, or set PORT to another (0: any free one)`,
  );
});

it('names HOST where it is not of this machine', async () => {
  await expect(refuseTakenAddress({ host: '192.0.2.1', port: 0 })).rejects.toThrow(
    'HOST=192.0.2.1 is not an address of this machine',
  );
});

it('lets a free address pass, and leaves it free', async () => {
  await refuseTakenAddress({ host: '127.0.0.1', port: 0 });
  const { port } = other.address() as AddressInfo;
  await new Promise((resolve) => other.close(resolve));
  await refuseTakenAddress({ host: '127.0.0.1', port });
  await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve));
});
