/** Sample data that `init --template` writes. */
import { RandomStream } from '../util/random.js';
import { voices } from './voices.js';

/** The name of the data, and its text, or the files of a folder. */
export const SAMPLES = {
  csv: { file: 'waves.csv', content: waves },
  text: { file: 'sentences.txt', content: sentences },
  forecast: { file: 'sales.csv', content: sales },
  pronounce: { file: 'words.csv', content: words },
  voice: { file: 'words', content: voices },
} as const;

/** 200 waves of 24 points: sine, square or saw, of any phase and period, with noise. */
function waves(): string {
  const random = RandomStream.of(0, 'init waves');
  const shapes: readonly (readonly [name: string, at: (turn: number) => number])[] = [
    ['sine', turn => Math.sin(2 * Math.PI * turn)],
    ['square', turn => (turn < 0.5 ? 1 : -1)],
    ['saw', turn => 2 * turn - 1],
  ];
  const rows = Array.from({ length: 200 }, (_, wave) => {
    const [name, shape] = shapes[wave % shapes.length];
    const [phase, period] = [random.uniform(), 8 + 8 * random.uniform()];
    return Array.from({ length: 24 }, (_, step) => {
      const value = shape((phase + step / period) % 1) + 0.4 * (random.uniform() - 0.5);
      return `wave-${wave},${step},${value.toFixed(3)},${name}\n`;
    });
  });
  return `id,step,value,label\n${rows.flat().join('')}`;
}

/** Two years of daily sales: a trend, a weekly and a yearly pattern, noise. */
function sales(): string {
  const random = RandomStream.of(0, 'init sales');
  const rows = Array.from({ length: 730 }, (_, day) => {
    const date = new Date(Date.UTC(2023, 0, 1 + day));
    const weekend = [0, 6].includes(date.getUTCDay()) ? 40 : 0;
    const year = 20 * Math.sin((2 * Math.PI * day) / 365.25);
    const value = 200 + 0.02 * day + weekend + year + 60 * (random.uniform() - 0.5);
    return `${date.toISOString().slice(0, 10)},${Math.round(value)}\n`;
  });
  return `date,sales\n${rows.join('')}`;
}

/** 1,500 sentences of a small grammar. */
function sentences(): string {
  const random = RandomStream.of(0, 'init sentences');
  const noun = ['the a every', 'old small green quiet', 'cat bird river house child'];
  const grammar = [...noun, 'sees finds follows forgets', ...noun].map(words => words.split(' '));
  const sentence = () => grammar.map(words => words[random.integer(words.length)]).join(' ');
  return Array.from({ length: 1500 }, () => `${sentence()}.\n`).join('');
}

/** 2,000 invented words with their sounds, by rules of English spelling: a final e is silent. */
function words(): string {
  const random = RandomStream.of(0, 'init words');
  const pairs = (text: string) => text.split(' ').map(pair => pair.split(':'));
  const starts = pairs('b:B ch:CH d:D f:F ph:F g:G l:L m:M n:N p:P qu:K_W r:R s:S sh:SH t:T th:TH v:V wh:W');
  const vowels = pairs('a:AE ai:EY e:EH ee:IY ea:IY i:IH igh:AY o:AA oa:OW oo:UW u:AH ew:UW');
  const ends = pairs('b:B ck:K d:D ff:F g:G l:L m:M n:N ng:NG p:P sh:SH t:T tch:CH x:K_S ze:Z ve:V');
  const parts = [starts, vowels, ends];
  const lines = Array.from({ length: 2000 }, () => {
    const syllables = Array.from({ length: 1 + random.integer(2) }, () => parts).flat();
    const chosen = syllables.map(part => part[random.integer(part.length)]);
    const sounds = chosen.map(([, sound]) => sound.replace('_', ' ')).join(' ');
    return `${chosen.map(([letters]) => letters).join('')},${sounds}\n`;
  });
  return `word,sounds\n${[...new Set(lines)].join('')}`;
}
