/** A Redis server on this machine, with its data in a folder. It can be killed and restarted. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { comesTrue } from './programs.js';
import { freePorts, isInstalled } from './slurm.js';

const PROGRAM = 'redis-server';

/** Why the tests cannot run here; undefined if Redis is installed. */
export function redisMissing(): string | undefined {
  return isInstalled(PROGRAM) ? undefined : `not installed: ${PROGRAM} (Debian: redis-server)`;
}

export class RedisServer {
  private constructor(
    private readonly folder: string,
    readonly port: number,
    private readonly isPersistent: boolean,
    private server: ChildProcess,
  ) {}

  /**
   * Starts a server that writes every change to disk before it answers, unless `isPersistent` is
   * false.
   */
  static async start(folder: string, isPersistent = true): Promise<RedisServer> {
    for (;;) {
      const [port] = await freePorts(1);
      const redis = new RedisServer(folder, port, isPersistent, launch(folder, port, isPersistent));
      // another program may have taken the port meanwhile
      if (await redis.isUp()) return redis;
    }
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.server.kill(name);
  }

  /**
   * Sends a command in its inline form, such as `FLUSHALL`. Returns the raw answer, such as `:1`.
   */
  async command(text: string): Promise<string> {
    const socket = connect(this.port, '127.0.0.1');
    const answer = new Promise<string>((resolve, reject) =>
      socket
        .once('data', data => resolve(data.toString().trim()))
        .once('error', reject)
        .once('close', () => reject(new Error('the server closed the connection'))),
    );
    socket.write(`${text}\r\n`);
    return answer.finally(() => socket.destroy());
  }

  /**
   * Returns the time, in milliseconds since the epoch, at which the key expires, as the server last
   * wrote it to disk. Works for a suspended server; it must be persistent.
   */
  expiryOnDisk(key: string): number {
    const folder = join(this.folder, 'appendonlydir');
    const written = readdirSync(folder)
      .filter(name => name.endsWith('.incr.aof'))
      .map(name => readFileSync(join(folder, name), 'utf8'))
      .join('');
    // SET key value PXAT time: the length of each part is in a line of its own
    const sets = [...written.matchAll(/\r\n(\S+)\r\n\$\d+\r\n\S+\r\n\$4\r\nPXAT\r\n\$\d+\r\n(\d+)/g)];
    const last = sets.findLast(([, set]) => set === key);
    if (last === undefined) throw new Error(`Redis never set an expiry of ${key}`);
    return Number(last[2]);
  }

  async kill(): Promise<void> {
    const gone = new Promise(resolve => this.server.once('exit', resolve));
    // false if the server has already ended
    if (this.server.kill('SIGKILL')) await gone;
  }

  async startAgain(): Promise<void> {
    this.server = launch(this.folder, this.port, this.isPersistent);
    if (!(await this.isUp())) throw new Error(`Redis ended with exit code ${this.server.exitCode}`);
  }

  /** Whether this server, not another on its port, answers; false once it has ended. */
  private async isUp(): Promise<boolean> {
    const answers = async () => {
      const info = await this.command('INFO server').catch(() => '');
      return info.includes(`process_id:${this.server.pid}\r\n`);
    };
    const hasEnded = () => this.server.exitCode !== null || this.server.signalCode !== null;
    await comesTrue(async () => hasEnded() || (await answers()));
    return !hasEnded();
  }
}

function launch(folder: string, port: number, isPersistent: boolean): ChildProcess {
  const options = {
    port: String(port),
    bind: '127.0.0.1',
    dir: folder,
    save: '',
    appendonly: isPersistent ? 'yes' : 'no',
    appendfsync: 'always',
  };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  return spawn(PROGRAM, args, { stdio: 'ignore' });
}
