//! From lines to batches and back.

use freehold_core::batch::{Batch, ColumnData};
use serde_json::{Value, json};

use super::*;

struct Text<'a>(&'a [u8]);

impl Source for Text<'_> {
    type Error = RowError;

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, RowError> {
        let count = self.0.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

fn read_with(mut builder: BatchBuilder, text: &str) -> Result<(Vec<Batch>, Schema), RowError> {
    let (mut lines, mut batches) = (Lines::new(Text(text.as_bytes()), 64 << 20), Vec::new());
    while let Some(line) = lines.next_line().unwrap() {
        builder.push(&line)?;
        if builder.is_full() {
            batches.extend(builder.take().unwrap());
        }
    }
    batches.extend(builder.take().unwrap());
    Ok((batches, builder.schema()))
}

fn read(text: &str) -> Result<Vec<Batch>, RowError> {
    Ok(read_with(BatchBuilder::default(), text)?.0)
}

fn written(batches: &[Batch]) -> String {
    let mut text = Vec::new();
    for batch in batches {
        let taken: Result<(), ()> = write_rows(batch, |line| {
            text.extend_from_slice(line);
            Ok(())
        });
        taken.unwrap();
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn rows_survive_columns_with_nulls_and_dialogues() {
    let text = concat!(
        "{\"a\":\"x\",\"n\":1.5}\n\n",
        "{\"a\":null,\"b\":true,\"m\":[{\"role\":\"user\",\"content\":\"hi\",\"id\":[1,{}]}]}\n",
        " \t\r\n{\"n\":-2,\"m\":[],\"none\":null}",
    );
    let (batches, schema) = read_with(BatchBuilder::default(), text).unwrap();
    let kinds = [("a", Kind::Text), ("n", Kind::Number), ("b", Kind::Boolean), ("m", Kind::Dialogue)];
    assert_eq!(schema, kinds.map(|(name, kind)| (name.to_owned(), kind)));
    assert_eq!((batches.len(), batches[0].rows()), (1, 3));
    let rows: Vec<Value> = written(&batches).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let message = json!({ "role": "user", "content": "hi" });
    assert_eq!(rows, [json!({"a":"x","n":1.5}), json!({"b":true,"m":[message]}), json!({"m":[],"n":-2.0})]);
    let again = read_with(BatchBuilder::with_schema(&schema), &written(&batches)).unwrap();
    assert_eq!(again, (batches, schema));
}

#[test]
fn lines_are_written_as_serde_json_writes_them() {
    let value = json!({
        "z": "quotes \" and \\ and / and \u{1} and \u{7f} and \u{2028} and é and 😀\n",
        "a \"b\"": 1e300,
        "n": 0.1,
        "whole": 3,
        "truth": false,
        "m": [{ "role": "assistant", "content": "\t" }, { "role": "user", "content": "" }],
    });
    let line = written(&read(&value.to_string()).unwrap());
    let expected: Value = serde_json::from_str(&value.to_string().replace("\"whole\":3", "\"whole\":3.0")).unwrap();
    assert_eq!(line, format!("{expected}\n"));
}

#[test]
fn errors_say_where_and_what_was_expected() {
    for (text, line, column, part) in [
        ("{\"a\":1}\n{\"a\":\n", 2, 5, "EOF"),
        ("{\"a\":1}\n[1]\n", 2, 1, "the line is a list"),
        ("\"a\"", 1, 1, "the line is a text"),
        ("\n\n true", 3, 1, "the line is true or false"),
        ("null", 1, 1, "the line is null"),
        ("-1", 1, 1, "the line is a number"),
        ("{\"a\":1}\n{\"b\":2,\"a\":\"x\"}\n", 2, 8, "`a` is a text"),
        ("{\"a\":1}\n{\"b\":2,\"a\":[]}\n", 2, 8, "`a` is a list of messages"),
        ("{\"a\":1}\n{\"b\":2,\"a\":[1]}\n", 2, 8, "`a` is a list that is no dialogue"),
        ("{\"a\":1}\n{\"b\":2,\"a\":{}}\n", 2, 8, "`a` is an object"),
        ("{\"a\":{\"b\":1}}\n", 1, 2, "`a` is an object"),
        ("{\"m\":[{\"role\":\"robot\",\"content\":\"\"}]}\n", 1, 2, "`m` has a message whose `role` is `robot`"),
        ("{\"m\":[{\"from\":\"robot\",\"value\":\"\"}]}\n", 1, 2, "`m` has a message whose `from` is `robot`"),
        ("{\"m\":[{\"from\":\"human\",\"value\":[]}]}\n", 1, 2, "no dialogue"),
        ("{\"m\":[{\"from\":\"human\",\"value\":\"\"},{\"role\":\"user\",\"content\":\"\"}]}", 1, 2, "no dialogue"),
        ("{\"m\":[{\"from\":\"human\",\"from\":\"human\",\"value\":\"\"}]}", 1, 2, "no dialogue"),
        ("{\"history\":[[\"a\"]]}", 1, 2, "no dialogue"),
        ("{\"history\":[[\"a\",\"b\",\"c\"]]}", 1, 2, "no dialogue"),
        ("{\"m\":[{\"role\":\"user\"}]}\n", 1, 2, "no dialogue"),
        ("{\"m\":[{\"role\":\"user\",\"content\":1}]}\n", 1, 2, "no dialogue"),
        ("{\"m\":[[\"user\",\"hi\"]]}\n", 1, 2, "no dialogue"),
        ("{\"m\":[{\"role\":\"user\",\"content\":\"\",\"content\":\"\"}]}\n", 1, 2, "no dialogue"),
        ("{\"m\":[{\"role\":\"user\",\n", 1, 21, "EOF"),
        ("{\"a\":1,\"a\":1}", 1, 2, "`a` is there twice"),
        ("{\"a\":1} {\"a\":1}", 1, 9, "trailing"),
        ("{\"a\":1e999}", 1, 10, "out of range"),
        ("{\"a\":\"\u{1}\"}", 1, 7, "control character"),
        ("not json\n", 1, 2, "expected ident"),
    ] {
        let error = read(text).unwrap_err();
        assert_eq!((error.line, error.column), (line, column), "{text}: {error}");
        assert!(error.problem.contains(part), "{text}: {error}");
    }
    let expected = |text: &str| read(text).unwrap_err().expected;
    assert_eq!(expected("{\"a\":1}\n{\"a\":true}"), "a number, as in the lines before");
    assert_eq!(expected("{\"a\":{}}"), "a text, a number, true or false, null, or a list of messages");
    assert!(expected("{\"m\":[]}\n{\"m\":[1]}").starts_with("a list of messages, each"));
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    let mut builder = BatchBuilder::default();
    let error = builder.push(&Line { number: 7, bytes: b"{\"a\":\"\xff\"}" }).unwrap_err();
    assert_eq!(error.line, 7);
    assert!(error.problem.contains("unicode"), "{error}");
}

#[test]
fn a_batch_ends_with_its_rows_or_its_bytes() {
    let rows =
        |text: &str| read(text).unwrap().iter().map(|batch| (batch.first_row(), batch.rows())).collect::<Vec<_>>();
    assert_eq!(rows(&"{\"a\":1}\n".repeat(2 * BATCH_ROWS + 1)), [(0, 1024), (1024, 1024), (2048, 1)]);
    let long = format!("{{\"a\":\"{}\"}}\n", "x".repeat(BATCH_BYTES / 2));
    assert_eq!(rows(&long.repeat(5)), [(0, 2), (2, 2), (4, 1)]);
    let longer = format!("{{\"a\":\"{}\"}}\n", "x".repeat(BATCH_BYTES));
    assert_eq!(rows(&longer.repeat(2)), [(0, 1), (1, 1)]);
    assert_eq!(rows(""), []);
}

#[test]
fn a_column_that_comes_late_or_not_at_all_is_null() {
    let early = "{\"a\":1}\n".repeat(BATCH_ROWS + 9);
    let batches = read(&format!("{early}{{\"b\":\"x\"}}\n")).unwrap();
    assert_eq!((batches[0].columns().len(), batches[1].columns().len()), (1, 2));
    let (a, b) = (&batches[1].columns()[0], &batches[1].columns()[1]);
    assert_eq!(a.validity.as_deref(), Some(&[255, 1][..]));
    assert_eq!(b.validity.as_deref(), Some(&[0, 2][..]));
    assert!(matches!(&b.data, ColumnData::Text(column) if column.get(9) == Some("x") && column.get(8) == Some("")));
    let schema = vec![("b".to_owned(), Kind::Text), ("a".to_owned(), Kind::Number)];
    let (batches, _) = read_with(BatchBuilder::with_schema(&schema), &early).unwrap();
    assert_eq!(batches[0].columns()[0].validity.as_deref(), Some(&[0; 128][..]));
    assert_eq!(batches[0].columns()[1].validity, None);
}

#[test]
fn columns_do_not_grow_without_bound() {
    let line = |columns: usize| {
        let keys: Vec<String> = (0..columns).map(|n| format!("\"k{n}\":1")).collect();
        format!("{{{}}}", keys.join(","))
    };
    assert!(read(&line(COLUMNS_MAX)).is_ok());
    let error = read(&line(COLUMNS_MAX + 1)).unwrap_err();
    assert!(error.problem.contains("one column more than 1024"), "{error}");
    let error = read(&format!("{{\"{}\":1}}", "k".repeat(257))).unwrap_err();
    assert!(error.problem.contains("at most 256 bytes"), "{error}");
    assert!(error.to_string().len() < 250, "{error}");
    let error = read("{\"a\":1}\n{\"\u{202e}b\":2}").unwrap_err();
    assert!(error.problem.contains("characters that can be seen"), "{error}");
}

/// The form of rows, and the rows when they are normalised.
fn normalised(text: &str) -> Result<(Form, String), FormError> {
    let mut builder = BatchBuilder::default();
    for (at, line) in text.lines().enumerate() {
        builder.push(&Line { number: at as u64 + 1, bytes: line.as_bytes() }).unwrap();
    }
    let (form, origin) = builder.form()?;
    let schema = origin.schema(&builder.schema());
    let batch = origin.normalise(builder.take().unwrap().unwrap(), &schema).unwrap();
    let names: Vec<_> = batch.columns().iter().map(|column| column.name.clone()).collect();
    assert_eq!(names, schema.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>());
    Ok((form, written(&[batch])))
}

#[test]
fn dialogues_of_any_form_become_messages() {
    let dialogue = |messages: &[(&str, &str)]| {
        let messages = messages.iter().map(|(role, content)| json!({ "role": role, "content": content }));
        format!("{}\n", json!({ "messages": messages.collect::<Vec<_>>() }))
    };
    let plain = dialogue(&[("user", "a"), ("assistant", "b")]);
    for (text, form, expected) in [
        (plain.as_str(), Form::Messages, plain.clone()),
        (&plain.replace("messages", "conversations"), Form::Messages, plain.clone()),
        (
            r#"{"conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"b","weight":0}],"system":""}"#,
            Form::Sharegpt,
            plain.clone(),
        ),
        (
            r#"{"system":"s","conversations":[{"value":"a","from":"user"},{"from":"observation","value":"b"}]}"#,
            Form::Sharegpt,
            dialogue(&[("system", "s"), ("user", "a"), ("tool", "b")]),
        ),
        (r#"{"messages":[{"from":"human","value":"a"},{"from":"model","value":"b"}]}"#, Form::Sharegpt, plain.clone()),
        (r#"{"instruction":"a","input":"","output":"b","history":null}"#, Form::Alpaca, plain.clone()),
        (
            r#"{"system":"s","instruction":"a","input":"i","output":"b","history":[["q","r"]]}"#,
            Form::Alpaca,
            dialogue(&[("system", "s"), ("user", "q"), ("assistant", "r"), ("user", "a\ni"), ("assistant", "b")]),
        ),
        (r#"{"prompt":"a","completion":"b"}"#, Form::PromptCompletion, plain.clone()),
        (
            r#"{"prompt":[{"role":"user","content":"a"}],"completion":[{"role":"assistant","content":"b"}]}"#,
            Form::PromptCompletion,
            plain.clone(),
        ),
        ("{\"prompt\":\"a\"}\n", Form::Columns, "{\"prompt\":\"a\"}\n".to_owned()),
        (
            "{\"instruction\":1,\"output\":\"b\"}\n",
            Form::Columns,
            "{\"instruction\":1.0,\"output\":\"b\"}\n".to_owned(),
        ),
    ] {
        assert_eq!(normalised(text), Ok((form, expected)), "{text}");
    }
}

#[test]
fn columns_beside_a_dialogue_stay_and_those_of_other_datasets_are_null() {
    let mut builder = BatchBuilder::default();
    let line = br#"{"id":1,"instruction":"a","output":"b","tag":"x"}"#;
    builder.push(&Line { number: 1, bytes: line }).unwrap();
    let (_, origin) = builder.form().unwrap();
    let kinds = [("id", Kind::Number), ("messages", Kind::Dialogue), ("tag", Kind::Text)];
    let mut schema = kinds.map(|(name, kind)| (name.to_owned(), kind)).to_vec();
    assert_eq!(origin.schema(&builder.schema()), schema);
    for (name, kind) in [("t", Kind::Text), ("n", Kind::Number), ("b", Kind::Boolean), ("d", Kind::Dialogue)] {
        schema.insert(0, (name.into(), kind));
    }
    let batch = origin.normalise(builder.take().unwrap().unwrap(), &schema).unwrap();
    assert_eq!(batch.columns().iter().map(|column| column.is_valid(0)).filter(|valid| *valid).count(), 3);
    let said = r#"[{"content":"a","role":"user"},{"content":"b","role":"assistant"}]"#;
    assert_eq!(written(&[batch]), format!("{{\"id\":1.0,\"messages\":{said},\"tag\":\"x\"}}\n"));
}
