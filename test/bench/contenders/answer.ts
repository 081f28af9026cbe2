/** The contender's side of the protocol, for contenders that are Node programs. */
import { createInterface } from 'node:readline';
import type { BenchCase } from '../cases.js';
import type { Failure, Hello, Measured, Prepared, Request } from '../protocol.js';

export interface Workload {
  call(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Compiling is done after two calls; V8 goes on to replace its first code by better while it runs.
 */
const WARM_UP_CALLS = 2;
const WARM_UP_S = 0.5;

/** Answers requests one after the other until stdin ends. */
export async function answerRequests(
  hello: Hello,
  open: (one: BenchCase) => Promise<Workload>,
): Promise<void> {
  let workload: Workload | undefined;
  say(hello);
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line) as Request;
    try {
      if (request.op === 'prepare') {
        await workload?.close();
        workload = undefined;
        const began = performance.now();
        workload = await open(request.case);
        for (let i = 0; i < WARM_UP_CALLS; i++) await workload.call();
        await measure(workload, WARM_UP_S, Number.POSITIVE_INFINITY);
        say({ seconds: (performance.now() - began) / 1000 });
      } else {
        if (!workload) throw new Error('nothing is prepared');
        say(await measure(workload, request.budget_s, request.most));
      }
    } catch (error) {
      say({ error: (error as Error).message });
    }
  }
  await workload?.close();
}

async function measure(workload: Workload, budgetSeconds: number, most: number): Promise<Measured> {
  const times_ms: number[] = [];
  const end = performance.now() + budgetSeconds * 1000;
  do {
    const began = performance.now();
    await workload.call();
    times_ms.push(performance.now() - began);
  } while (performance.now() < end && times_ms.length < most);
  return { times_ms };
}

function say(message: Hello | Prepared | Measured | Failure): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
