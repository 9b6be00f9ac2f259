namespace Hybrid.Examples;

/// <summary>A tensor is numbers with a shape. Reshaping keeps the numbers and changes the shape.</summary>
public static class TensorsChapter
{
    /// <summary>Runs the chapter and returns what it made.</summary>
    public static (Tensor Flat, Tensor Table) Run(TextWriter console)
    {
        // Ten zeros in a row.
        var flat = Tensor.Zeros(10);
        console.WriteLine($"Tensor.Zeros(10)          {flat}");
        console.WriteLine($"its shape                 {flat.Shape}, {flat.NumElements} elements of {flat.DType}");

        // The same ten as five rows; -1 stands for "as many as it takes".
        var table = flat.Reshape(5, -1);
        console.WriteLine($"Reshape(5, -1).Shape      {table.Shape}");
        console.WriteLine($"Size(0), Size(1)          {table.Size(0)}, {table.Size(1)}");

        // Reshaping copied nothing: a change to one is seen in the other.
        table[0, 1] = 7;
        console.WriteLine($"after table[0, 1] = 7     {flat}");

        // Arithmetic goes element by element, and stretches a row over a table.
        var row = Tensor.From([10f, 20f]);
        console.WriteLine($"table + row:\n{table + row}");

        // Ranges cut pieces out, as with arrays.
        console.WriteLine($"(table + row)[1..3, ^1]   {(table + row)[1..3, ^1]}");
        return (flat, table);
    }
}
