// The yardstick in Node: a server that does nothing but answer; POST reads and parses its body.
import http from "node:http";

const answer = process.env.ANSWER;
http.createServer((request, response) => {
  const send = (status) => {
    response.writeHead(status, { "Content-Type": "application/json", "Content-Length": answer.length });
    response.end(answer);
  };
  if (request.method !== "POST") return send(200);
  let body = "";
  request.on("data", (piece) => (body += piece));
  request.on("end", () => send(JSON.parse(body).to ? 201 : 400));
}).listen(Number(process.env.PORT), "127.0.0.1", () => console.log("listening"));
