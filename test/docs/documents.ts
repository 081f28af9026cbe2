/**
 * Documents as tests: the fenced code blocks of a Markdown page, and how each is checked. What
 * stands after the language says how:
 *
 *     ```yaml [readings.yaml]      written as a file; a config must be valid as far as it goes
 *     ```yaml                      part of a config: its sections replace those of a base
 *     ```yaml base=readings.yaml   the same, of a file that the page has written
 *     ```yaml wrong                a config that commands refuse
 *     ```yaml ci                   a workflow: its `./run` commands must exist, with their flags
 *     ```sh                        commands that end with 0, one after another
 *     ```sh exit=3                 ... the last one with 3
 *     ```sh args="--set a.b=1"     ... each `./run` with these words behind it, to make it small
 *     ```sh norun                  commands that only must exist, with their flags
 *     ```sh needs=torch            left out if Python lacks the module
 *     ```text output               lines that the commands before printed, whatever the numbers
 *     ```ts file=test/examples/a.ts   the same text as the file, which a test runs
 *
 * `RUN` and `SWEEP` in commands are the newest run and sweep. A page with the comment
 * `<!-- follows data.md -->` has the files that the page data.md writes.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import { buildProgram, withVerb } from '../../src/cli/program.js';
import { packageRoot } from '../../src/util/root.js';
import type { Finished, Workplace } from '../support/cli.js';
import { main, recorder } from '../support/in-process.js';
import { execute } from '../support/programs.js';

/** Stands for Python packages that Debian lacks. */
const PYTHON_STUBS = join(packageRoot, 'test', 'fixtures', 'python');

export interface Block {
  readonly language: string;
  readonly title?: string;
  readonly marks: ReadonlyMap<string, string>;
  readonly text: string;
  /** 1-based line of the fence. */
  readonly line: number;
}

const FENCE = /^( *)(`{3,})(.*)$/;

export function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = [];
  const lines = markdown.split('\n');
  for (let at = 0; at < lines.length; at++) {
    const [, indent, fence, info] = FENCE.exec(lines[at]) ?? [];
    if (fence === undefined) continue;
    const end = lines.indexOf(`${indent}${fence}`, at + 1);
    if (end < 0) throw new Error(`line ${at + 1}: the code block does not end`);
    const text = lines
      .slice(at + 1, end)
      .map(line => `${line.slice(indent.length)}\n`)
      .join('');
    blocks.push({ ...infoOf(info), text, line: at + 1 });
    at = end;
  }
  return blocks;
}

function infoOf(info: string): Pick<Block, 'language' | 'title' | 'marks'> {
  const [, language, rest] = /^ *(\S*) *(.*)$/.exec(info) ?? [];
  const title = /\[([^\]]+)\]/.exec(rest)?.[1];
  const marks = [...rest.replace(/\[[^\]]+\]/, '').matchAll(/([a-z]+)(?:=(?:"([^"]*)"|(\S+)))?/g)];
  return {
    language,
    ...(title !== undefined && { title }),
    marks: new Map(marks.map(([, name, quoted, plain]) => [name, quoted ?? plain ?? ''])),
  };
}

/** A base for parts of configs that name none. */
const BASE = {
  version: 1,
  name: 'part',
  dataset: { kind: 'synthetic', problem: 'adding', sequence_length: 10, train_size: 100, test_size: 20 },
  model: { cell: 'lstm', hidden_size: 8 },
  loss: { kind: 'mse' },
  optimizer: { kind: 'adam', learning_rate: 0.01 },
  training: { num_epochs: 1, batch_size: 10 },
};

/** Programs that change the reader's machine, or wait for the reader. */
const LEFT_OUT = /^(git|cd|open|sudo|pip|source|echo)\b|^npm (ci|cit|test|install|pack|publish)\b/;

/** Checks the blocks of one page in a folder of its own. Throws if a block is not as it says. */
export class Document {
  private printed = '';

  constructor(private readonly work: Workplace) {
    symlinkSync(join(packageRoot, 'configs'), join(work.path, 'configs'));
    writeFileSync(join(work.path, 'run'), `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@" $EXTRA\n`, {
      mode: 0o755,
    });
  }

  /** Writes the files of a page that this one follows. */
  writeFiles(markdown: string): void {
    for (const { title, text } of blocksOf(markdown)) if (title !== undefined) this.write(title, text);
  }

  private write(name: string, text: string): void {
    const path = join(this.work.path, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }

  async check(block: Block): Promise<void> {
    const { language, title, text, marks } = block;
    const file = marks.get('file');
    if (file !== undefined && readFileSync(join(packageRoot, file), 'utf8') !== text)
      throw new Error(`is not the text of ${file}`);
    if (title !== undefined) this.write(title, text);
    if (language === 'yaml') await this.checkYaml(block);
    else if (language === 'sh') await this.checkCommands(block);
    else if (marks.has('output')) this.checkOutput(text);
  }

  private async checkYaml({ title, text, marks }: Block): Promise<void> {
    const content = parse(text);
    if (marks.has('wrong')) return;
    if (marks.has('ci')) {
      for (const [command] of text.matchAll(/\.\/run .*/g)) checkWords(command);
    } else if (title === undefined) {
      const base = marks.get('base');
      const whole = base === undefined ? BASE : parse(readFileSync(join(this.work.path, base), 'utf8'));
      const path = join(this.work.path, 'part.yaml');
      writeFileSync(path, JSON.stringify({ ...whole, ...content }));
      await this.expect(0, await this.work.cellrun('config', 'show', path));
    } else if (!('method' in content)) {
      await this.expect(0, await this.work.cellrun('config', 'show', title));
    }
  }

  private async checkCommands({ text, marks }: Block): Promise<void> {
    const lines = commandsOf(text);
    this.printed = '';
    for (const [i, line] of lines.entries()) {
      if (marks.has('norun')) {
        checkWords(line);
        continue;
      }
      const code = i === lines.length - 1 ? Number(marks.get('exit') ?? 0) : 0;
      const ended = await this.carryOut(this.filledIn(line), marks.get('args') ?? '');
      if (ended === undefined) continue;
      this.printed += ended.stdout + ended.stderr;
      const missing = marks.get('needs');
      if (missing !== undefined && ended.stderr.includes(`No module named '${missing}'`)) return;
      await this.expect(code, ended, line);
    }
  }

  /** Undefined where the command is left out. */
  private carryOut(line: string, extra: string): Promise<Finished | undefined> {
    const script = /^npm run (?:--silent )?([\w:]+)/.exec(line)?.[1];
    if (script !== undefined) {
      const { scripts } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'));
      if (!(script in scripts)) throw new Error(`there is no script ${script}`);
      return Promise.resolve(undefined);
    }
    if (LEFT_OUT.test(line)) return Promise.resolve(undefined);
    const words = plainWords(line);
    if (words !== undefined && words[0] === './run')
      return this.work.cellrun(...words.slice(1), ...(plainWords(extra) ?? []));
    const { cwd, env } = this.work.place;
    const command = line.replace(/^python3 /, '/usr/bin/python3 ');
    return execute('bash', ['-ec', command], {
      cwd,
      env: { ...env, EXTRA: extra, PYTHONPATH: PYTHON_STUBS },
    });
  }

  private filledIn(line: string): string {
    return line
      .replaceAll(/\bRUN\b/g, () => newest(join(this.work.path, 'experiments'), 'manifest.json', 'sweeps'))
      .replaceAll(/\bSWEEP\b/g, () => newest(join(this.work.path, 'experiments', 'sweeps'), 'journal.jsonl'));
  }

  private async expect(code: number, ended: Finished, line = 'the config'): Promise<void> {
    if (ended.code !== code)
      throw new Error(`${line}\nended with ${ended.code} instead of ${code}\n${ended.stdout}${ended.stderr}`);
  }

  /** Numbers, and what is made of them, differ from machine to machine. */
  private checkOutput(text: string): void {
    const printed = this.printed.split('\n').map(withoutNumbers);
    let from = 0;
    for (const line of text.trimEnd().split('\n')) {
      const wanted = withoutNumbers(line);
      if (wanted === '' || wanted === '…') continue;
      const at = printed.indexOf(wanted, from);
      if (at < 0) throw new Error(`never printed: ${line}\n${this.printed}`);
      from = at + 1;
    }
  }
}

function withoutNumbers(line: string): string {
  return line
    .replaceAll(/\S*\d{8}T\d{6}Z\S*/g, 'PATH')
    .replaceAll(/\b[\da-f]{64}\b/g, 'SHA')
    .replaceAll(/[+-]?\d[\d.,:e+-]*/g, '#')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

/** The commands of a script, a line each; loops over words are unrolled. */
function commandsOf(script: string): string[] {
  const unrolled = script.replaceAll(
    /^for (\w+) in (.*); do\n([\s\S]*?)^done\n/gm,
    (_, name: string, words: string, body: string) =>
      words
        .split(' ')
        .map(word => body.replaceAll(`$${name}`, word))
        .join(''),
  );
  return unrolled
    .replaceAll('\\\n', ' ')
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '' && !line.startsWith('#'));
}

function plainWords(line: string): string[] | undefined {
  const words: string[] = [];
  const parts = line.matchAll(/\s*(?:#.*$|((?:'[^']*'|"[^"$`\\]*"|[^\s'"|&;<>$`*?(){}\\])+))|(\S)/g);
  for (const [, word, other] of parts) {
    if (other !== undefined) return undefined;
    if (word !== undefined) words.push(word.replaceAll(/'([^']*)'|"([^"]*)"/g, '$1$2'));
  }
  return words;
}

const program = await buildProgram({ io: recorder(), commandLine: [], version: '', finish: () => {} });

function checkWords(line: string): void {
  const [, rest] = /^(?:\.\/run|npx cellrun) (.*)$/.exec(line) ?? [];
  if (rest === undefined) return;
  const plain = rest.split(/ [|>&]|;| #/)[0].trim();
  let command = program as Pick<typeof program, 'commands' | 'options' | 'name'>;
  const words = withVerb(
    plain.split(/\s+/),
    program.commands.map(one => one.name()),
  );
  let depth = 0;
  for (const word of words) {
    const next = command.commands.find(one => one.name() === word);
    if (next === undefined) break;
    command = next;
    depth += 1;
  }
  if (depth === 0) throw new Error(`there is no verb ${words[0]}`);
  const known = command.options.flatMap(({ long, short }) => [long, short]);
  for (const word of words) {
    const flag = /^(--[a-z][a-z-]*|-[a-z]$)/.exec(word)?.[0];
    if (flag !== undefined && flag !== '--help' && !known.includes(flag))
      throw new Error(`${command.name()} has no flag ${flag}`);
  }
}

function newest(root: string, name: string, except?: string): string {
  const paths = existsSync(root) ? readdirSync(root, { recursive: true, encoding: 'utf8' }) : [];
  const found = paths
    .filter(path => path.endsWith(`/${name}`) && (except === undefined || !path.startsWith(`${except}/`)))
    .map(path => join(root, path))
    .toSorted((a, b) => statSync(a).mtimeMs - statSync(b).mtimeMs)
    .at(-1);
  if (found === undefined) throw new Error(`there is no ${name} in ${root}`);
  return dirname(found);
}

/** Targets of the links and images of a page, and the anchors that its headings have. */
export function linksOf(markdown: string): string[] {
  const prose = markdown.replaceAll(/^( *)(`{3,})[\s\S]*?^\1\2$/gm, '').replaceAll(/`[^`\n]*`(?!\])/g, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"/g)].map(([, a, b]) => a ?? b);
}

export function anchorsOf(markdown: string): string[] {
  const prose = markdown.replaceAll(/^( *)(`{3,})[\s\S]*?^\1\2$/gm, '');
  const seen = new Map<string, number>();
  return [...prose.matchAll(/^#{1,6} (.*)$/gm)].map(([, heading]) => {
    const anchor = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
      .replaceAll(' ', '-');
    const times = seen.get(anchor) ?? 0;
    seen.set(anchor, times + 1);
    return times === 0 ? anchor : `${anchor}-${times}`;
  });
}
