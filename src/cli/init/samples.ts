/** Small sample data for `init --template`, byte-identical each time. */
import { RandomStream } from '../../util/random.js';

const SEED = 0;

/** 200 waves of 24 points: sine, square or saw, of any phase and period, with noise. */
export function waves(): string {
  const random = RandomStream.of(SEED, 'init waves');
  const shapes = {
    sine: (turn: number) => Math.sin(2 * Math.PI * turn),
    square: (turn: number) => (turn < 0.5 ? 1 : -1),
    saw: (turn: number) => 2 * turn - 1,
  };
  const names = Object.keys(shapes) as (keyof typeof shapes)[];
  const rows = Array.from({ length: 200 }, (_, wave) => {
    const name = names[wave % names.length];
    const [phase, period] = [random.uniform(), 8 + 8 * random.uniform()];
    return Array.from({ length: 24 }, (_, step) => {
      const value = shapes[name]((phase + step / period) % 1) + 0.4 * (random.uniform() - 0.5);
      return `wave-${wave},${step},${value.toFixed(3)},${name}`;
    });
  });
  return `id,step,value,label\n${rows.flat().join('\n')}\n`;
}

const DAYS = 730;

/** Two years of daily sales: a trend, a weekly and a yearly pattern, noise. */
export function sales(): string {
  const random = RandomStream.of(SEED, 'init sales');
  const first = Date.UTC(2023, 0, 1);
  const rows = Array.from({ length: DAYS }, (_, day) => {
    const date = new Date(first + day * 86_400_000);
    const weekend = [0, 6].includes(date.getUTCDay()) ? 40 : 0;
    const year = 20 * Math.sin((2 * Math.PI * day) / 365.25);
    const value = 200 + 0.02 * day + weekend + year + 60 * (random.uniform() - 0.5);
    return `${date.toISOString().slice(0, 10)},${Math.round(value)}`;
  });
  return `date,sales\n${rows.join('\n')}\n`;
}

/** 1,500 sentences of a small grammar. */
export function sentences(): string {
  const random = RandomStream.of(SEED, 'init sentences');
  const pick = (words: readonly string[]): string => words[random.integer(words.length)];
  const noun = (): string =>
    `${pick(['the', 'a', 'every'])} ${pick(['old', 'small', 'green', 'quiet'])} ${pick(['cat', 'bird', 'river', 'house', 'child'])}`;
  const lines = Array.from(
    { length: 1500 },
    () => `${noun()} ${pick(['sees', 'finds', 'follows', 'forgets'])} ${noun()}.`,
  );
  return `${lines.join('\n')}\n`;
}
