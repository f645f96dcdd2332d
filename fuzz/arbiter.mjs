// Runs a case without imports on V8: `node arbiter.mjs MODULE.wasm CALLS.json`, a line of outcome for each call.
//
// CALLS.json: {"fuel": number, "calls": [{"export": name, "arguments": [[type, "number"], ...]}, ...]}; floats are given and printed as bits.
import { readFileSync } from 'node:fs';

const FUEL = 'fuel-of-the-test';
const view = new DataView(new ArrayBuffer(8));
const fromBits32 = (bits) => (view.setUint32(0, Number(bits)), view.getFloat32(0));
const fromBits64 = (bits) => (view.setBigUint64(0, BigInt(bits)), view.getFloat64(0));

const argument = ([type, text]) => {
  switch (type) {
    case 'i32': return Number(text) | 0;
    case 'i64': return BigInt(text);
    case 'f32': return fromBits32(text);
    case 'f64': return fromBits64(text);
    case 'externref': return text === '0' ? null : Number(text);
    default: return null;
  }
};

const toBits = (value) => (view.setFloat64(0, value), view.getBigUint64(0).toString(16).padStart(16, '0'));

// A number may be an integer, a float or a reference: both readings are printed, and the reader knows the type.
const result = (value) => {
  if (typeof value === 'bigint') return `${value}`;
  if (typeof value === 'number') return Number.isNaN(value) ? 'nan' : `${value}|bits:${toBits(value)}`;
  return value === null ? 'null' : 'ref';
};

const attempt = (action) => {
  try {
    const values = action();
    const list = values === undefined ? [] : Array.isArray(values) ? values : [values];
    console.log(['returned', ...list.map(result)].join(' '));
    return true;
  } catch (error) {
    if (error instanceof WebAssembly.Exception) {
      console.log('threw');
      return false;
    }
    if (!(error instanceof WebAssembly.RuntimeError || error instanceof RangeError)) throw error;
    console.log('trapped');
    return false;
  }
};

const { fuel, calls } = JSON.parse(readFileSync(process.argv[3], 'utf8'));
const module = new WebAssembly.Module(readFileSync(process.argv[2]));
let instance;
if (attempt(() => { instance = new WebAssembly.Instance(module, {}); })) {
  for (const call of calls) {
    if (FUEL in instance.exports) instance.exports[FUEL].value = fuel;
    attempt(() => instance.exports[call.export](...call.arguments.map(argument)));
  }
}
