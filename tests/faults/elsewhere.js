// What a page elsewhere can try: each function gets an address, and returns what it could read; nothing is empty.

const element = (tag, fields) => Object.assign(document.createElement(tag), fields);
const loaded = (made, value) => new Promise(done => {
  made.onload = made.onloadeddata = () => done(value());
  made.onerror = () => done("");
  if (!(made instanceof Image)) document.body.append(made);
});
const posted = (address, options) =>
  fetch(address, {method: "POST", credentials: "include", body: "{}", ...options}).then(answer => answer.text());
const submitted = (address, enctype, content) => {
  const name = `n${Math.random()}`;
  const form = element("form", {action: address, method: "POST", enctype, target: name});
  form.append(element("textarea", {name: "files", value: content}));
  document.body.append(element("iframe", {name}), form);
  form.submit();
  return "";
};

const READS = {
  "fetch": async address => (await fetch(address, {credentials: "include"})).text(),
  "fetch without asking": async address => (await fetch(address, {mode: "no-cors", credentials: "include"})).text(),
  "XMLHttpRequest": address => new Promise(done => {
    const request = new XMLHttpRequest();
    request.open("GET", address);
    request.withCredentials = true;
    request.onload = () => done(request.responseText);
    request.onerror = () => done("");
    request.send();
  }),
  "image": address => { const made = new Image(); const found = loaded(made, () => made.width); made.src = address; return found; },
  "image of CORS": address => {
    const made = element("img", {crossOrigin: "use-credentials", src: address});
    return loaded(made, () => made.width);
  },
  "script": address => loaded(element("script", {src: address}), () => "ran"),
  "module": address => import(address).then(() => "ran"),
  "style": address => loaded(element("link", {rel: "stylesheet", href: address}), () => document.styleSheets.length),
  "prefetch": address => loaded(element("link", {rel: "prefetch", href: address}), () => ""),
  "iframe": address => {
    const made = element("iframe", {src: address});
    return loaded(made, () => {
      try { return made.contentDocument.body.innerHTML; } catch { return made.contentWindow.length || ""; }
    });
  },
  "object": address => loaded(element("object", {data: address}), () => "shown"),
  "embed": address => { document.body.append(element("embed", {src: address})); return ""; },
  "video": address => loaded(element("video", {src: address}), () => "shown"),
  "events": address => new Promise(done => {
    const events = new EventSource(address, {withCredentials: true});
    events.onmessage = message => done(message.data);
    events.onopen = () => done("open");
    events.onerror = () => { events.close(); done(""); };
  }),
  "worker": address => new Promise(done => {
    const worker = new Worker(URL.createObjectURL(new Blob([`importScripts("${address}"); postMessage("ran")`])));
    worker.onmessage = message => done(message.data);
    worker.onerror = () => done("");
  }),
  "font": address => new FontFace("x", `url(${address})`).load().then(() => "loaded"),
  "window": address => new Promise(done => {
    const opened = window.open(address);
    setTimeout(() => {
      try { done(opened.document.body.innerHTML); } catch { done(""); } finally { opened && opened.close(); }
    }, 400);
  }),
};

const WRITES = {
  "post": address => posted(address, {mode: "no-cors"}),
  "post of JSON": address => posted(address, {headers: {"Content-Type": "application/json"}}),
  "post of CSV": address => posted(address, {headers: {"Content-Type": "text/csv"}, body: "time,load"}),
  "post with a token": address => posted(address, {headers: {"Authorization": "Bearer x"}}),
  "post of a form": address => {
    const form = new FormData();
    form.append("files", new Blob(["attack"]), "attack.csv");
    return posted(address, {mode: "no-cors", body: form});
  },
  "post that stays": address => posted(address, {mode: "no-cors", keepalive: true}),
  "beacon": address => { navigator.sendBeacon(address, "x"); return ""; },
  "form of text": address => submitted(address, "text/plain", '{"data": []}'),
  "form of fields": address => submitted(address, "application/x-www-form-urlencoded", "attack"),
  "form of files": address => submitted(address, "multipart/form-data", "attack"),
  "another method": async address => (await fetch(address, {method: "DELETE", credentials: "include"})).status,
  "socket": address => new Promise(done => {
    const socket = new WebSocket(address.replace("http", "ws"));
    socket.onopen = () => done("open");
    socket.onerror = () => done("");
  }),
};

const LEAVES = ["beacon", "embed", "object", "prefetch"];  // the answer comes after the function has returned

async function tried(name, address) {
  const late = new Promise(done => setTimeout(() => done(""), 1500));
  let found = "";
  try { found = await Promise.race([{...READS, ...WRITES}[name](address), late]); } catch {}
  if (LEAVES.includes(name) || name.startsWith("form")) await new Promise(done => setTimeout(done, 500));
  return String(found || "");
}
