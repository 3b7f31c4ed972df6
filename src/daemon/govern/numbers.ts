/**
 * Numbers for objects that stay the same from question to question, as the caller of a connection and the machine do: equal
 * where their text is equal, never used for another text, and found without making that text again. The objects must never
 * change.
 */

/** So many texts are known at once. */
const MAX_TEXTS = 4096;

export function createNumbers(): (value: object) => number {
  let numbers = new WeakMap<object, number>();
  const byText = new Map<string, number>();
  let next = 0;
  return (value) => {
    const known = numbers.get(value);
    if (known !== undefined) return known;
    const text = JSON.stringify(value);
    let number = byText.get(text);
    if (number === undefined) {
      if (byText.size >= MAX_TEXTS) {
        byText.clear();
        numbers = new WeakMap();
      }
      number = next++;
      byText.set(text, number);
    }
    numbers.set(value, number);
    return number;
  };
}
