/**
 * Loaded by `--import` into a program and its threads. A compute thread ends at its `AT`-th request
 * for shards, in the way that `HOW` names. `idle` ends it after it has answered; it takes no other
 * request meanwhile, so that the program cannot come to its end before.
 */
import { isMainThread, parentPort, threadId } from 'node:worker_threads';

const { HOW, AT } = process.env;

if (!isMainThread && parentPort && threadId === 1) {
  const port = parentPort;
  const listen = port.on.bind(port) as (event: string, handler: (request: unknown) => void) => typeof port;
  let asked = 0;
  const on = (event: string, handler: (request: unknown) => void) =>
    listen(event, request => {
      if ((request as { shards?: unknown }).shards !== undefined) asked += 1;
      if (asked > Number(AT)) return;
      if (asked === Number(AT)) {
        if (HOW === 'exit') process.exit(7);
        if (HOW === 'throw') throw new Error('thrown in a thread');
        if (HOW === 'memory') fillMemory();
        // by then the answer is sent, but the next request has not arrived
        if (HOW === 'idle') setTimeout(() => process.exit(7));
      }
      handler(request);
    });
  port.on = on as typeof port.on;
}

function fillMemory(): void {
  const kept: number[][] = [];
  for (;;) kept.push(new Array(100_000).fill(kept.length + 0.5));
}
