import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { BenchCase } from './cases.js';
import type { Failure, Hello, Measured, Prepared, Request } from './protocol.js';

export interface Command {
  readonly program: string;
  readonly arguments: readonly string[];
}

export class ContenderError extends Error {
  override readonly name = 'ContenderError';
}

interface Waiting {
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

export class Child {
  private waiting: Waiting | undefined;
  private ended: ContenderError | undefined;
  private errors = '';

  private constructor(private readonly process: ChildProcess) {
    process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.errors = `${this.errors}${text}`.slice(-2000);
    });
    if (process.stdout) createInterface({ input: process.stdout }).on('line', line => this.answer(line));
    // a contender that has gone away is reported by 'close', not by the broken pipe to it
    process.stdin?.on('error', () => {});
    process.on('error', error => this.end(`it does not start: ${error.message}`));
    process.on('close', code => this.end(`it ended with ${code}: ${lastLine(this.errors)}`));
  }

  /** Starts a contender and waits until it is ready. Throws ContenderError. */
  static async start({ program, arguments: given }: Command): Promise<{ child: Child; hello: Hello }> {
    const child = new Child(spawn(program, given, { stdio: ['pipe', 'pipe', 'pipe'] }));
    try {
      return { child, hello: (await child.next()) as Hello };
    } catch (error) {
      child.close();
      throw error;
    }
  }

  prepare(one: BenchCase): Promise<Prepared> {
    return this.ask({ op: 'prepare', case: one }) as Promise<Prepared>;
  }

  measure(budgetSeconds: number, most: number): Promise<Measured> {
    return this.ask({ op: 'measure', budget_s: budgetSeconds, most }) as Promise<Measured>;
  }

  close(): void {
    this.process.stdin?.end();
  }

  private ask(request: Request): Promise<unknown> {
    const answer = this.next();
    this.process.stdin?.write(`${JSON.stringify(request)}\n`);
    return answer;
  }

  private next(): Promise<unknown> {
    if (this.ended) return Promise.reject(this.ended);
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
    });
  }

  private answer(line: string): void {
    // a library's own chatter on stdout is no answer
    if (!line.startsWith('{')) return;
    const { waiting } = this;
    this.waiting = undefined;
    const answer = JSON.parse(line) as Failure | Record<string, unknown>;
    if ('error' in answer) waiting?.reject(new ContenderError(String(answer.error)));
    else waiting?.resolve(answer);
  }

  private end(why: string): void {
    this.ended ??= new ContenderError(why);
    this.waiting?.reject(this.ended);
    this.waiting = undefined;
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) || 'no message';
}
